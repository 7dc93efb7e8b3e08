"""Run folders: reserved once, written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dltrain.errors import CheckpointError, ConfigError, StorageError
from dltrain.runs.folder import RunDir, read_json, refuse_links, remove_half_written
from dltrain.runs.lock import check_writable, claim, locked, reserve
from dltrain.storage import write_json, write_text


def refuse(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_clash_gets_a_number(tmp_path: Path) -> None:
    wanted = tmp_path / "2026-11-21" / "10-15-30"
    assert [reserve(wanted).name for _ in range(3)] == ["10-15-30", "10-15-30-2", "10-15-30-3"]
    assert all(path.is_dir() for path in wanted.parent.iterdir())


def test_a_file_in_the_way_is_a_clash_too(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    assert reserve(tmp_path / "run") == tmp_path / "run-2"
    assert (tmp_path / "run").read_text() == "a file"


def test_reserving_below_a_file_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outputs").write_text("a file")
    tries, mkdir = [], Path.mkdir

    def counted(path: Path, *args: object, **kwargs: object) -> None:
        tries.append(path)
        if len(tries) > 20:
            pytest.fail("it tries for ever")
        mkdir(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", counted)
    with pytest.raises(StorageError):
        reserve(tmp_path / "outputs" / "run")
    with pytest.raises(StorageError):
        reserve(tmp_path / "outputs" / "date" / "run")


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError, match="No space left") as refused:
        reserve(tmp_path / "run")
    assert refused.value.exit_code == 4
    with pytest.raises(StorageError, match="No space left"):
        claim(tmp_path / "run")


def test_claim_makes_a_folder_and_says_that_it_runs(tmp_path: Path) -> None:
    run = RunDir(claim(tmp_path / "deep" / "run"))
    assert run.read_status()["state"] == "running"


def test_claim_takes_an_empty_folder_and_one_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    assert claim(tmp_path / "empty") == tmp_path / "empty"
    assert claim(tmp_path / "other") == tmp_path / "other"
    assert (tmp_path / "other" / "notes.txt").read_text() == "mine"


def test_claim_refuses_a_folder_that_holds_a_run(tmp_path: Path) -> None:
    claim(tmp_path / "run")
    before = (tmp_path / "run" / "status.json").read_bytes()
    with pytest.raises(ConfigError, match="already contains a run") as refused:
        claim(tmp_path / "run")
    assert refused.value.where == "hydra.run.dir"
    assert (tmp_path / "run" / "status.json").read_bytes() == before


def test_of_two_that_claim_at_once_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(tmp_path / "run")
    monkeypatch.setattr(Path, "exists", lambda path: False)  # as the second saw it, a moment ago
    with pytest.raises(ConfigError, match="already contains a run"):
        claim(tmp_path / "run")


def test_claim_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(ConfigError):
        claim(tmp_path / "run")
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_text_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "result.json"
    write_text(path, "old")
    monkeypatch.setattr(*(("os.fsync", refuse) if failing == "fsync" else (Path, failing, refuse)))
    with pytest.raises(StorageError, match="No space left"):
        write_text(path, "new")
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_into_a_deleted_folder_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        write_text(tmp_path / "gone" / "status.json", "{}")


def test_write_text_replaces_the_whole_text(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "a long old text")
    write_text(tmp_path / "a", "成绩 ü")
    assert (tmp_path / "a").read_bytes() == "成绩 ü".encode()


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    value = {
        "a": math.nan,
        "b": [1.5, math.inf, (-math.inf, {"c": math.nan})],
        "n": 3,
        "t": True,
        "s": "成绩",
        "0": None,
    }
    write_json(tmp_path / "a.json", value)
    expected = {"a": None, "b": [1.5, None, [None, {"c": None}]], "n": 3, "t": True, "s": "成绩", "0": None}
    assert read_json(tmp_path / "a.json") == expected
    assert "成绩" in (tmp_path / "a.json").read_text("utf-8")


def test_a_missing_json_file_means_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"not a run folder: it has no status\.json"):
        RunDir(tmp_path).read_status()


@pytest.mark.parametrize("content", [b"{", b"<html>", b"\xff\xfe", b"[1, 2]", b"3", b"[" * 100_000])
def test_a_broken_json_file_is_a_checkpoint_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "status.json").write_bytes(content)
    with pytest.raises(CheckpointError):
        RunDir(tmp_path).read_status()


def test_an_empty_status_is_that_of_a_run_killed_while_it_took_its_folder(tmp_path: Path) -> None:
    (tmp_path / "status.json").touch()
    assert RunDir(tmp_path).read_status()["state"] == "running"


def test_a_json_file_that_is_a_folder_is_a_checkpoint_error(tmp_path: Path) -> None:
    (tmp_path / "status.json").mkdir()
    with pytest.raises(CheckpointError):
        RunDir(tmp_path).read_status()


def test_a_status_adds_to_what_was_said(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.write_status("running", started="then", exit_code=1)
    run.write_status("done", exit_code=0)
    said = run.read_status()
    assert (said["state"], said["started"], said["exit_code"], said["schema"]) == ("done", "then", 0, 1)
    with pytest.raises(AssertionError):
        run.write_status("finished")


def test_a_status_is_stamped_in_utc_wherever_the_clock_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        RunDir(tmp_path).write_status("running")
    finally:
        monkeypatch.undo()
        time.tzset()
    stamp = datetime.fromisoformat(RunDir(tmp_path).read_status()["updated"])
    assert stamp.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - stamp) < timedelta(minutes=1)


def test_every_artifact_lies_in_the_folder_under_its_own_name(tmp_path: Path) -> None:
    names = [name for name, value in vars(RunDir).items() if isinstance(value, property)]
    paths = [getattr(RunDir(tmp_path), name) for name in names]
    assert len(set(paths)) == len(names) >= 12
    assert {path.parent for path in paths} == {tmp_path}


def test_status_is_plain_json(tmp_path: Path) -> None:
    RunDir(tmp_path).write_status("failed", error="loss is nan", loss=math.nan)
    assert json.loads((tmp_path / "status.json").read_text("utf-8"))["loss"] is None


def test_a_folder_is_locked_for_one_process_and_free_afterwards(tmp_path: Path) -> None:
    with locked(tmp_path):
        with pytest.raises(ConfigError, match="another process") as refused, locked(tmp_path):
            pass
        assert refused.value.exit_code == 2
    with locked(tmp_path):
        pass


def test_a_process_forked_by_one_that_has_a_lock_does_not_keep_it(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    begun, begins = os.pipe()
    with locked(tmp_path):
        if not (child := os.fork()):
            os.close(writing)
            os.write(begins, b"1")
            os.read(reading, 1)  # until the test is over
            os._exit(0)
        os.read(begun, 1)
        with pytest.raises(ConfigError, match="another process"), locked(tmp_path):
            pass
    os.close(reading)
    with locked(tmp_path) as supported:
        assert supported
    assert os.waitpid(child, os.WNOHANG) == (0, 0)  # it still runs
    os.close(writing)
    assert os.waitpid(child, 0) == (child, 0)


def test_what_is_no_folder_cannot_be_locked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("file", "nowhere"):
        with pytest.raises(CheckpointError, match="not a run folder"), locked(tmp_path / name):
            pass


def test_trying_whether_a_folder_can_be_made_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageError) as refused:
        check_writable(Path("/proc/nowhere/run"))
    assert refused.value.exit_code == 4


@pytest.mark.parametrize("name", ["link", "deep/link"])
def test_links_in_a_folder_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "run" / "deep").mkdir(parents=True)
    refuse_links(tmp_path / "run")
    (tmp_path / "run" / name).symlink_to(tmp_path)
    with pytest.raises(CheckpointError, match="is a link"):
        refuse_links(tmp_path / "run")


def test_what_a_killed_process_left_half_written_is_deleted_wherever_a_run_writes(tmp_path: Path) -> None:
    halves = [
        tmp_path / folder / f".{folder or 'result'}.json.12.tmp" for folder in ("", "plots", "examples", ".hydra")
    ]
    whole = [half.with_name("whole.json") for half in halves]
    for path in (*halves, *whole):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    remove_half_written(tmp_path)
    assert not any(path.exists() for path in halves) and all(path.exists() for path in whole)
