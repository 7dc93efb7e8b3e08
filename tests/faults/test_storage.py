"""A disk that is full, forbidden or taken away is told of with 4; what was there before is still there."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dltrain.runs.folder import RunDir
from dltrain.training.checkpoint import pointed, resumable, verify

pytestmark = pytest.mark.faults


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
def test_files_that_may_not_grow_any_more_end_a_run_with_4(
    start: Callable, appeared: Callable, small_run: Any, expected: Any, fingerprint: Callable, tmp_path: Path
) -> None:
    run = RunDir(tmp_path / "run")
    child = start(*small_run, "hydra.run.dir=run")
    appeared(run.checkpoints / "last")
    resource.prlimit(child.number, resource.RLIMIT_FSIZE, (3000, 3000))  # less than a checkpoint, more than a status
    assert child.wait() == 4, child.said
    assert "Traceback" not in child.said
    assert run.read_status()["exit_code"] == 4
    verify(resumable(run.checkpoints)[0])
    assert not list(run.checkpoints.glob(".tmp*"))
    child = start("resume", "run")
    assert child.wait() == 0, child.said
    assert fingerprint(run) == expected


def test_a_full_disk_ends_a_run_with_4(
    start: Callable, appeared: Callable, small_run: Any, expected: Any, fingerprint: Callable, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        run = RunDir(disk / "run")
        child = start(*small_run, "hydra.run.dir=disk/run")
        appeared(run.checkpoints / "last")
        with (disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        assert child.wait() == 4, child.said
        assert "Traceback" not in child.said
        assert "space" in child.said
        verify(resumable(run.checkpoints)[0])
        assert not list(run.checkpoints.glob(".tmp*"))
        (disk / "filler").unlink()
        child = start("resume", "disk/run")
        assert child.wait() == 0, child.said
        assert fingerprint(run) == expected
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_folder_that_is_deleted_meanwhile_ends_a_run_with_4(
    start: Callable, appeared: Callable, small_run: Any, tmp_path: Path
) -> None:
    child = start(*small_run, "hydra.run.dir=run")
    appeared(tmp_path / "run" / "checkpoints" / "last")
    (tmp_path / "run").rename(tmp_path / "taken")
    shutil.rmtree(tmp_path / "taken")
    assert child.wait() == 4, child.said
    assert "Traceback" not in child.said
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_made_is_told_of_before_data_is_read(start: Callable) -> None:
    child = start("data=csv", "data.path=nowhere.csv", "data.target=y", "hydra.run.dir=/proc/nowhere/run")
    assert child.wait() == 4, child.said
    assert "nowhere.csv" not in child.said


def test_two_runs_do_not_share_a_folder(
    start: Callable, appeared: Callable, small_run: Any, expected: Any, fingerprint: Callable, tmp_path: Path
) -> None:
    run = RunDir(tmp_path / "run")
    child = start(*small_run, "trainer.epochs=400", "hydra.run.dir=run")
    appeared(run.checkpoints / "last")
    for arguments in ((*small_run, "hydra.run.dir=run"), ("resume", "run")):
        other = start(*arguments)
        assert other.wait() == 2, other.said
    assert "another process is writing into run" in other.said
    child.kill(signal.SIGKILL)
    child.wait()
    assert run.read_status()["state"] == "running"  # as it seems; but nobody holds its lock
    before = pointed(run.checkpoints, "last").name
    child = start("resume", "run", "trainer.epochs=40")
    assert child.wait() == 0, child.said
    assert pointed(run.checkpoints, "last").name >= before
