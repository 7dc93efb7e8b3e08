"""Sweeps that were killed, interrupted or partly failed go on: what is missing or failed runs, and nothing twice."""

from __future__ import annotations

import csv
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from dltrain.experiment import sweep_job
from dltrain.runs.folder import RunDir
from dltrain.runs.lock import locked
from dltrain.runs.sweep_record import SweepRecord

JOBS = ("model=linear", "data=iris", "baseline=none", "trainer.epochs=2", "trainer.threads=1", "hydra.sweep.dir=s")
GRID = ("optimizer.lr=0.1,0.01", "seed=1,2")
TIMES = ("seconds", "samples_per_second")


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def without_times(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders of all jobs that are trained, or go on training, during a test."""
    names: list[str] = []
    for function in ("train", "resume_job"):
        original = getattr(sweep_job, function)

        def noted(*arguments: object, _original: Callable = original, **named: object) -> object:
            names.extend(item.path.name for item in arguments if isinstance(item, RunDir))
            return _original(*arguments, **named)

        monkeypatch.setattr(sweep_job, function, noted)
    return names


@pytest.mark.parametrize("again", ["resume", "same command"])
def test_what_is_missing_or_failed_runs_and_nothing_else(
    dltrain: Callable, tmp_path: Path, trained: list[str], again: str
) -> None:
    assert dltrain("-m", *JOBS, *GRID).code == 0
    before = rows_of(tmp_path / "s")
    assert trained == ["0", "1", "2", "3"]
    trained.clear()
    shutil.rmtree(tmp_path / "s" / "1")
    failed = RunDir(tmp_path / "s" / "3")
    failed.result.unlink()
    failed.write_status("failed", exit_code=5, error="out of memory")
    called = dltrain("resume", "s") if again == "resume" else dltrain("-m", *JOBS, *GRID)
    assert called.code == 0, called.err
    assert trained == ["1", "3"]
    assert without_times(rows_of(tmp_path / "s")) == without_times(before)
    assert failed.read_status()["state"] == "done"


def test_a_finished_sweep_has_nothing_left_to_run(dltrain: Callable, trained: list[str]) -> None:
    assert dltrain("-m", *JOBS, *GRID).code == 0
    trained.clear()
    called = dltrain("resume", "s")
    assert (called.code, trained) == (0, [])


def test_without_a_folder_the_same_command_continues_what_did_not_finish(
    dltrain: Callable, tmp_path: Path, trained: list[str]
) -> None:
    command = ("-m", *JOBS[:-1], *GRID)
    assert dltrain(*command).code == 0
    (first,) = (path.parent for path in tmp_path.rglob("sweep.csv"))
    record = SweepRecord.read(first)
    assert record is not None and record.state == "done"
    shutil.rmtree(first / "2")
    record.with_state("interrupted").write(first)
    trained.clear()
    assert dltrain(*command).code == 0
    assert (trained, [*tmp_path.rglob("sweep.csv")]) == (["2"], [first / "sweep.csv"])
    trained.clear()
    assert dltrain(*command).code == 0  # that one has finished, so this is a new sweep
    assert (trained, len([*tmp_path.rglob("sweep.csv")])) == (["0", "1", "2", "3"], 2)


def test_a_sweep_whose_configs_have_changed_is_not_continued(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "configs" / "model").mkdir(parents=True)
    own = tmp_path / "configs" / "model" / "mine.yaml"
    own.write_text("_target_: mlp\nhidden: [4]\n")
    command = ("-m", "model=mine", *JOBS[1:], *GRID)
    assert dltrain(*command).code == 0
    own.write_text("_target_: mlp\nhidden: [5]\n")
    called = dltrain(*command)
    assert (called.code, "model.hidden was [4] and is [5]" in called.err) == (2, True), called.err


def test_a_sweep_whose_data_has_changed_is_not_continued(dltrain: Callable, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,b,y\n" + "".join(f"{i * 7 % 11},{i * 3 % 5},{i % 2}\n" for i in range(60)))
    command = ("-m", "data=csv", "data.path=t.csv", "data.target=y", *JOBS[:1], *JOBS[2:], *GRID)
    assert dltrain(*command).code == 0
    shutil.rmtree(tmp_path / "s" / "3")
    table.write_text(table.read_text().replace("7,3,1", "7,4,1"))
    called = dltrain("resume", "s")
    assert (called.code, "the data has changed" in called.err) == (2, True), called.err
    assert not (tmp_path / "s" / "3").exists()


def test_a_job_whose_checkpoints_are_damaged_begins_anew(dltrain: Callable, tmp_path: Path) -> None:
    assert dltrain("-m", *JOBS, *GRID).code == 0
    before = rows_of(tmp_path / "s")
    run = RunDir(tmp_path / "s" / "2")
    run.result.unlink()
    run.write_status("interrupted", exit_code=130)
    for path in run.checkpoints.rglob("*.safetensors"):
        path.write_bytes(b"")
    assert dltrain("resume", "s").code == 0
    assert without_times(rows_of(tmp_path / "s")) == without_times(before)


def test_a_sweep_that_is_running_is_left_alone(dltrain: Callable, tmp_path: Path) -> None:
    assert dltrain("-m", *JOBS, *GRID).code == 0
    with locked(tmp_path / "s"):
        called = dltrain("resume", "s")
    assert (called.code, "another process" in called.err) == (2, True)


def test_a_sweep_is_continued_as_it_began(dltrain: Callable) -> None:
    assert dltrain("-m", *JOBS, *GRID).code == 0
    called = dltrain("resume", "s", "trainer.epochs=9")
    assert (called.code, "at trainer.epochs" in called.err) == (2, True)


def test_secrets_are_given_again(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "secretive.py").write_text(
        "import torch\n"
        "class Model(torch.nn.Linear):\n"
        "    def __init__(self, spec, api_token: str = ''):\n"
        "        assert api_token == 'hunter22'\n"
        "        super().__init__(spec.input_shape[0], spec.out_features)\n"
    )
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "secretive.yaml").write_text("_target_: secretive.Model\napi_token: ''\n")
    assert dltrain("-m", "model=secretive", "model.api_token=hunter22", *JOBS[1:], *GRID).code == 0
    shutil.rmtree(tmp_path / "s" / "0")
    called = dltrain("resume", "s")
    assert (called.code, "model.api_token" in called.err) == (2, True)
    called = dltrain("resume", "s", "model.api_token=hunter22")
    assert called.code == 0, called.err
    assert [row["state"] for row in rows_of(tmp_path / "s")] == ["done"] * 4
    for path in (tmp_path / "s").rglob("*"):
        assert not path.is_file() or b"hunter22" not in path.read_bytes(), path


def trains_since(began: float, folder: Path) -> bool:
    """Whether a job has written its history since then; a job that begins anew deletes it meanwhile."""
    for path in folder.glob("*/metrics.csv"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime >= began:
                return True
    return False


def test_jobs_under_random_kills_end_as_if_nobody_had_killed_them(dltrain: Callable, tmp_path: Path) -> None:
    chance = random.Random(0)
    grid = ("optimizer.lr=0.1,0.01", "seed=range(3)", "trainer.epochs=100", "trainer.save_epochs=1")
    command = ("-m", *JOBS[:3], "trainer.threads=1", *grid)
    assert dltrain(*command, "hydra.sweep.dir=whole", "--quiet").code == 0
    program = [sys.executable, "-m", "dltrain", *command, "hydra.sweep.dir=killed", "--quiet"]
    kills = 0
    while kills < 2:
        child, began = subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.DEVNULL), time.time()
        while child.poll() is None and not trains_since(began, tmp_path / "killed"):
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.2))
        if child.poll() is not None:
            break
        child.send_signal(signal.SIGKILL)
        child.wait()
        kills += 1
    assert kills == 2
    called = dltrain("resume", "killed")
    assert called.code == 0, called.err
    assert without_times(rows_of(tmp_path / "killed")) == without_times(rows_of(tmp_path / "whole"))


def test_an_interrupted_sweep_leaves_a_summary_with_the_jobs_that_wait(
    dltrain: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, count = sweep_job.train, []

    def interrupted(*arguments: object, **named: object) -> None:
        count.append(1)
        if len(count) == 3:
            signal.raise_signal(signal.SIGINT)
        original(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(sweep_job, "train", interrupted)
    called = dltrain("-m", *JOBS, *GRID)
    assert called.code == 130
    assert [row["state"] for row in rows_of(tmp_path / "s")] == ["done", "done", "interrupted", "waiting"]
    assert json.loads((tmp_path / "s" / "sweep.json").read_text())["state"] == "interrupted"
    page = (tmp_path / "s" / "sweep.html").read_text("utf-8")
    assert "2 done, 1 interrupted, 1 waiting" in page and "So far, " in page
    assert not any(row.get("test/loss") for row in rows_of(tmp_path / "s"))
    monkeypatch.setattr(sweep_job, "train", original)
    assert dltrain("resume", "s").code == 0
    assert sum(bool(row["test/loss"]) for row in rows_of(tmp_path / "s")) == 2
