"""metrics.csv: every row on disk, and cut back exactly."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest

from dltrain.errors import StorageError
from dltrain.runs.folder import RunDir
from dltrain.runs.history import HistoryLog


def refuse(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def filled(path: Path, epochs: int) -> RunDir:
    history = HistoryLog(RunDir(path).history)
    for epoch in range(1, epochs + 1):
        history.log(epoch, {"epoch": epoch, "train/loss": 1 / epoch})
    history.close()
    return RunDir(path)


def test_history_rows_are_on_disk_when_logged_and_read_back_exactly(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    rows = [
        {"epoch": 1.0, "lr": 0.1, "train/loss": 1 / 3},
        {"epoch": 2.0, "lr": 1e-300, "train/loss": math.pi * 1e10},
    ]
    history = HistoryLog(run.history)
    for number, row in enumerate(rows, 1):
        history.log(number, row)
        assert run.read_history() == rows[:number]
    history.close()
    assert run.history.read_text("utf-8").splitlines()[0] == "epoch,lr,train/loss"


def test_a_metric_that_an_epoch_lacks_is_left_out_of_its_row(tmp_path: Path) -> None:
    history = HistoryLog(RunDir(tmp_path).history)
    history.log(1, {"epoch": 1, "val/loss": 2.5})
    history.log(2, {"epoch": 2})
    history.log(3, {"epoch": 3, "val/loss": math.nan})
    history.close()
    rows = RunDir(tmp_path).read_history()
    assert rows[:2] == [{"epoch": 1.0, "val/loss": 2.5}, {"epoch": 2.0}]
    assert math.isnan(rows[2]["val/loss"])


def test_a_history_that_cannot_be_written_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        flush = refuse

    monkeypatch.setattr(Path, "open", lambda *_, **__: Full())
    history = HistoryLog(tmp_path / "metrics.csv")
    with pytest.raises(StorageError, match="No space left"):
        history.log(1, {"epoch": 1})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_closing_a_history_that_could_not_be_written_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").symlink_to("/dev/full")  # never the device itself: a file is replaced to be written
    history = HistoryLog(tmp_path / "metrics.csv")
    with pytest.raises(StorageError):  # noqa: PT012
        try:
            history.log(1, {"epoch": 1})
        finally:
            history.close()


@pytest.mark.parametrize("tail", ["", "4,0.2", "4", "\n"])
def test_what_follows_the_epochs_that_are_kept_is_cut_off(tmp_path: Path, tail: str) -> None:
    run = filled(tmp_path, 3)
    with run.history.open("a") as file:
        file.write(tail)  # as a killed process leaves it
    history = HistoryLog(run.history, keep=2)
    assert [row["epoch"] for row in run.read_history()] == [1, 2]
    history.log(3, {"epoch": 3, "train/loss": 0.25})
    assert [row["train/loss"] for row in run.read_history()] == [1, 0.5, 0.25]
    history.close()


def test_a_file_that_was_deleted_meanwhile_is_no_success(tmp_path: Path) -> None:
    history = HistoryLog(tmp_path / "metrics.csv")
    history.log(1, {"epoch": 1})
    (tmp_path / "metrics.csv").unlink()
    with pytest.raises(StorageError, match="was deleted"):
        history.log(2, {"epoch": 2})
    history.close()


def test_a_history_in_a_folder_that_is_gone_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        HistoryLog(tmp_path / "gone" / "metrics.csv")
