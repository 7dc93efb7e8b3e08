"""Slots of a machine: processes hold different ones, each with a GPU and cores of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dltrain.experiment.slots import first_free, jobs_at_once, share_of, take_share

HOLD = """
import sys
from pathlib import Path
from dltrain.experiment.slots import first_free
print(first_free(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def test_processes_hold_different_slots_and_free_them_when_they_end(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "slots")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "0\n"
        assert first_free(tmp_path / "slots") == 1
        first.kill()
    assert first_free(tmp_path / "slots") == 0


@pytest.mark.parametrize(
    ("visible", "device", "expected"),
    [("2,5,7", "auto", "5"), ("GPU-a,GPU-b", "cuda", "GPU-b"), ("2,5", "cuda:1", "2,5"), ("3", "auto", "3")],
)
def test_a_process_sees_the_gpu_of_its_slot(
    visible: str, device: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    first_free(tmp_path / f"dltrain-slots-{os.getuid()}")
    take_share.cache_clear()
    assert take_share(device) == 1
    assert take_share(device) == 1  # a process that runs a second job keeps its slot
    assert os.environ["CUDA_VISIBLE_DEVICES"] == expected


def test_where_no_slot_can_be_taken_nothing_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    (tmp_path / f"dltrain-slots-{os.getuid()}").write_text("a file of somebody else's")
    take_share.cache_clear()
    assert (take_share("auto"), os.environ["CUDA_VISIBLE_DEVICES"]) == (-1, "0,1")
    take_share.cache_clear()


def test_processes_share_the_cores() -> None:
    cores = [0, 1, 2, 3, 8, 9, 10, 11]
    assert [share_of(cores, slot, 4) for slot in range(4)] == [[0, 1], [2, 3], [8, 9], [10, 11]]
    assert [share_of(cores, slot, 3) for slot in range(5)] == [[0, 1], [2, 3], [8, 9], [10, 11], [0, 1]]
    assert [share_of([4, 5], slot, 8) for slot in range(3)] == [[4], [5], [4]]
    assert jobs_at_once(3) == 3 and jobs_at_once(-1) == os.cpu_count()
