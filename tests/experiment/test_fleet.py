"""Sweeps whose jobs train at once: the same results as one by one, and folders like those of any other run."""

from __future__ import annotations

import csv
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dltrain.experiment import build, fleet
from dltrain.runs.folder import RunDir
from dltrain.runs.result import Result

JOBS = ("data=iris", "baseline=none", "trainer.threads=1", "trainer.epochs=3", "model=mlp", "model.hidden=[8]")
PLAIN = (*JOBS, "model.dropout=0")
FLEET = "hydra/launcher=fleet"
TIMES = ("seconds", "samples_per_second", "train_seconds")
TOLERANCE = 1e-4  # relative, after three epochs


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def assert_alike(path: Path, other: Path) -> None:
    """Holds two tables against each other: equal texts, and numbers within the tolerance."""
    for row, expected in zip(rows_of(path), rows_of(other), strict=True):
        assert row.keys() == expected.keys()
        for name in row.keys() - set(TIMES):
            try:
                number = float(expected[name])
            except ValueError:
                assert row[name] == expected[name], name
            else:
                assert float(row[name]) == pytest.approx(number, rel=TOLERANCE, abs=TOLERANCE), name


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_hydra_imports_at_every_start_is_light() -> None:
    code = "import sys, hydra_plugins.dltrain_fleet; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_jobs_that_train_at_once_give_what_they_give_one_by_one(dltrain: Callable, tmp_path: Path) -> None:
    sweep = ("-m", *PLAIN, "seed=0,1", "optimizer.lr=0.003,0.03", "trainer.l2=0,0.001", "scheduler=cosine")
    called = dltrain(*sweep, FLEET, "hydra.sweep.dir=at_once")
    assert called.code == 0, called.err
    assert "fleet   jobs 0-7 train at once\n" in called.out
    assert dltrain(*sweep, "hydra.sweep.dir=in_turn").code == 0
    at_once, in_turn = tmp_path / "at_once", tmp_path / "in_turn"
    assert_alike(at_once / "sweep.csv", in_turn / "sweep.csv")
    assert (at_once / "best.yaml").read_text() == (in_turn / "best.yaml").read_text()
    for number in range(8):
        # Importance is measured in a share of the training's time, which is shorter at once.
        differing = names_in(at_once / str(number)) ^ names_in(in_turn / str(number))
        assert differing <= {"plots/importance.png"}
        assert_alike(at_once / str(number) / "metrics.csv", in_turn / str(number) / "metrics.csv")
        for name in ("config.yaml", "facts.json"):
            texts = [(folder / str(number) / name).read_text() for folder in (at_once, in_turn)]
            assert texts[0] == texts[1]


def test_a_run_of_a_stack_predicts_evaluates_and_trains_longer(dltrain: Callable, tmp_path: Path) -> None:
    sweep = ("-m", *PLAIN, "seed=0,1", "optimizer=momentum")
    assert dltrain(*sweep, FLEET, "hydra.sweep.dir=s").code == 0
    assert dltrain("evaluate", "s/1").code == 0
    names = json.loads((tmp_path / "s" / "1" / "facts.json").read_text())["features"]
    (tmp_path / "new.csv").write_text(",".join(names) + "\n5,3,1.4,0.2\n")
    predicted = dltrain("predict", "s/1", "new.csv", "-o", "p.csv")
    assert predicted.code == 0, predicted.err
    assert dltrain("resume", "s/1", "trainer.epochs=5").code == 0
    assert dltrain(*PLAIN, "seed=1", "optimizer=momentum", "trainer.epochs=5", "hydra.run.dir=alone").code == 0
    assert_alike(tmp_path / "s" / "1" / "metrics.csv", tmp_path / "alone" / "metrics.csv")


def test_each_job_stops_early_by_itself(dltrain: Callable, tmp_path: Path) -> None:
    sweep = ("-m", *PLAIN, "trainer.epochs=12", "trainer.patience=1", "seed=0", "optimizer.lr=0.01,0.1,0.5,1")
    assert dltrain(*sweep, FLEET, "hydra.sweep.dir=at_once").code == 0
    assert dltrain(*sweep, "hydra.sweep.dir=in_turn").code == 0
    ends = [
        [(Result.read(run).epochs, Result.read(run).best_epoch) for run in runs]
        for runs in ([RunDir(tmp_path / name / str(job)) for job in range(4)] for name in ("at_once", "in_turn"))
    ]
    assert ends[0] == ends[1]
    assert len(set(ends[0])) > 1
    log = (tmp_path / "at_once" / "3" / "train.log").read_text()
    assert "trained at once with jobs 0-3" in log
    assert "stop    val/loss did not improve for 1 epochs" in log


def test_a_job_that_diverges_fails_alone(dltrain: Callable, tmp_path: Path) -> None:
    called = dltrain("-m", *PLAIN, "optimizer=sgd", "optimizer.lr=0.01,1e20", "seed=0,1", FLEET, "hydra.sweep.dir=s")
    assert called.code == 6
    runs = [RunDir(tmp_path / "s" / str(job)) for job in range(4)]
    assert [run.read_status()["state"] for run in runs] == ["done", "done", "diverged", "diverged"]
    status = runs[2].read_status()
    assert (status["exit_code"], status["where"]) == (3, "optimizer.lr")
    assert "lr 1e+20" in status["error"]
    assert all(len(run.read_history()) == 3 for run in runs[:2])
    assert dltrain("resume", "s").code == 6  # those that failed run again, and nothing else


def test_jobs_of_several_structures_train_in_several_stacks_and_the_rest_alone(dltrain: Callable) -> None:
    varied = ("seed=0,1", "model.hidden=[4],[8]", "optimizer=adam,rmsprop", "trainer.ema=null,0.9")
    called = dltrain("-m", *JOBS[:4], "model=mlp", *varied, FLEET, "trainer.epochs=1")
    assert called.code == 0, called.err
    lines = [line for line in called.out.splitlines() if line.startswith("fleet")]
    assert "fleet   jobs 0, 8 train at once" in lines
    assert "fleet   jobs 4, 12 train at once" in lines
    assert any("train one by one: RMSprop cannot be stacked" in line for line in lines)
    assert any("train one by one: trainer.ema averages weights" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("trainer.balance=resample",), "trainer.balance draws each epoch's samples"),
        (("model=lstm", "data=digits", "augment=none", "debug=smoke"), "cannot be stacked: Batching rule"),
        (("scheduler=plateau",), "the schedule follows what each reaches"),
        (("data.folds=3",), "each is an ensemble over folds"),
        (("trainer.max_minutes=5",), "trainer.max_minutes counts the time of each"),
    ],
)
def test_what_cannot_be_stacked_trains_one_by_one_and_says_why(
    words: tuple[str, ...], reason: str, dltrain: Callable
) -> None:
    called = dltrain("-m", *JOBS[:4], "trainer.epochs=1", *words, "seed=0,1", FLEET)
    assert called.code == 0, called.err
    assert "fleet   jobs 0-1 train one by one: " in called.out
    assert reason in called.out


def test_folds_dropout_and_parameters_of_the_loss_may_differ(dltrain: Callable, tmp_path: Path) -> None:
    varied = ("data.folds=3", "data.fold=range(3)", "loss=cross_entropy", "loss.label_smoothing=0.0,0.2")
    called = dltrain("-m", *PLAIN, *varied, FLEET, "hydra.sweep.dir=at_once")
    assert called.code == 0, called.err
    assert "fleet   jobs 0-5 train at once" in called.out
    assert dltrain("-m", *PLAIN, *varied, "hydra.sweep.dir=in_turn").code == 0
    assert_alike(tmp_path / "at_once" / "sweep.csv", tmp_path / "in_turn" / "sweep.csv")
    assert (tmp_path / "at_once" / "out_of_fold.csv").exists()
    called = dltrain("-m", *JOBS, "model.dropout=0.1,0.5", "seed=0,1", FLEET)
    assert "fleet   jobs 0-3 train at once" in called.out


def test_each_job_is_built_once(dltrain: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, built = build.build, []

    def count(config: Mapping[str, Any], begun: RunDir | None = None) -> build.Setup:
        built.append(config["seed"])
        return plain(config, begun)

    monkeypatch.setattr(build, "build", count)
    called = dltrain("-m", *PLAIN, "data.test_fraction=0", "seed=0,1", FLEET)
    assert "fleet   jobs 0-1 train at once" in called.out
    assert built == [0, 1]


def test_two_fleets_with_dropout_train_the_same(dltrain: Callable, tmp_path: Path) -> None:
    words = ("-m", *JOBS, "model.dropout=0.5", "seed=0,1", FLEET)
    assert dltrain(*words, "hydra.sweep.dir=first").code == dltrain(*words, "hydra.sweep.dir=second").code == 0
    assert_alike(tmp_path / "first" / "sweep.csv", tmp_path / "second" / "sweep.csv")


def test_a_stack_that_fails_goes_on_one_by_one(
    dltrain: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(fleet.Stack, "take_step", fail)
    called = dltrain("-m", *PLAIN, "seed=0,1", FLEET, "hydra.sweep.dir=s")
    assert called.code == 0, called.err
    assert "jobs 0-1 stop training at once" in called.err
    assert [row["state"] for row in rows_of(tmp_path / "s" / "sweep.csv")] == ["done", "done"]


def test_an_interrupted_stack_goes_on_and_gives_the_same(dltrain: Callable, tmp_path: Path) -> None:
    words = (*PLAIN, "trainer.epochs=60", "trainer.patience=null", "seed=0,1", "scheduler=cosine")
    command = [sys.executable, "-m", "dltrain", "-m", *words, FLEET, "hydra.sweep.dir=s"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    history = tmp_path / "s" / "1" / "metrics.csv"
    deadline = time.monotonic() + 600
    while not (history.exists() and len(history.read_text().splitlines()) > 5) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    states = [json.loads((tmp_path / "s" / str(job) / "status.json").read_text())["state"] for job in range(2)]
    assert "interrupted" in states
    assert dltrain("resume", "s").code == 0
    assert dltrain("-m", *words, "hydra.sweep.dir=in_turn").code == 0
    for row, other in zip(
        rows_of(tmp_path / "s" / "sweep.csv"), rows_of(tmp_path / "in_turn" / "sweep.csv"), strict=True
    ):
        assert math.isclose(float(row["val/loss"]), float(other["val/loss"]), rel_tol=0.02)


def test_jobs_whose_validation_chooses_a_blend_keep_their_own(dltrain: Callable, tmp_path: Path) -> None:
    sweep = ("-m", "data=series", "data.rows=300", "model.candidates=[dlinear,nhits]", "optimizer.lr=0.001,0.003")
    sweep = (*sweep, "trainer.epochs=2", "trainer.threads=1", "baseline=none")
    called = dltrain(*sweep, FLEET, "hydra.sweep.dir=at_once")
    assert called.code == 0, called.err
    assert "train at once" in called.out
    assert dltrain(*sweep, "hydra.sweep.dir=one_by_one").code == 0
    for job in ("0", "1"):
        assert_alike(tmp_path / "at_once" / job / "metrics.csv", tmp_path / "one_by_one" / job / "metrics.csv")
        ours, theirs = (Result.read(RunDir(tmp_path / name / job)) for name in ("at_once", "one_by_one"))
        assert ours.val == pytest.approx(theirs.val, rel=TOLERANCE)
        assert ours.blend and theirs.blend and ours.blend["votes"] == theirs.blend["votes"]
        predicted = dltrain("evaluate", f"at_once/{job}")
        assert predicted.code == 0, predicted.err
