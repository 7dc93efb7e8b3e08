"""Asked to end, a run finishes its step, saves and says so; asked twice, it ends at once; nothing is lost."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dltrain.runs.folder import RunDir
from dltrain.training.checkpoint import pointed, verify

pytestmark = pytest.mark.faults

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.mark.parametrize("how", CODES)
def test_a_run_that_is_asked_to_end_saves_and_goes_on_with_the_same_bits(
    how: signal.Signals,
    start: Callable,
    appeared: Callable,
    small_run: Any,
    expected: Any,
    fingerprint: Callable,
    tmp_path: Path,
) -> None:
    run = RunDir(tmp_path / "run")
    quiet = ("trainer.save_minutes=60",)  # so that only the signal can have saved
    child = start(*small_run, *quiet, "hydra.run.dir=run")
    appeared(run.history, lines=2)
    child.kill(how)
    assert child.wait() == CODES[how], child.said
    assert "dltrain resume run" in child.said
    assert "Traceback" not in child.said
    status = run.read_status()
    assert (status["state"], status["exit_code"]) == ("interrupted", CODES[how])
    assert verify(pointed(run.checkpoints, "last"))["step"] > 0
    child = start("resume", "run")
    assert child.wait() == 0, child.said
    assert fingerprint(run) == expected


@pytest.mark.parametrize("how", CODES)
def test_asked_twice_it_ends_at_once_and_loses_nothing(
    how: signal.Signals,
    start: Callable,
    appeared: Callable,
    small_run: Any,
    expected: Any,
    fingerprint: Callable,
    tmp_path: Path,
) -> None:
    run = RunDir(tmp_path / "run")
    child = start(*small_run, "hydra.run.dir=run")
    appeared(run.history, lines=2)
    child.kill(how)
    child.kill(how)
    assert child.wait() == CODES[how], child.said
    assert "Traceback" not in child.said
    child = start("resume", "run")
    assert child.wait() == 0, child.said
    assert fingerprint(run) == expected


def test_terminated_at_any_moment_a_run_loses_nothing(
    start: Callable, small_run: Any, expected: Any, fingerprint: Callable, dice: random.Random, tmp_path: Path
) -> None:
    for number in range(6):
        run = RunDir(tmp_path / f"run-{number}")
        child = start(*small_run, f"hydra.run.dir={run.path.name}")
        time.sleep(dice.uniform(0.2, 2.5))  # loading, training, validating, saving, drawing
        child.kill(signal.SIGTERM)
        assert child.wait() in (143, 0), child.said
        assert "Traceback" not in child.said
        if run.config.exists():
            assert run.read_status()["state"] in ("interrupted", "done")
            child = start("resume", run.path.name)
            assert child.wait() == 0, child.said
            assert fingerprint(run) == expected


@pytest.mark.parametrize("point", ["before-write:3", "after-fsync:5", "before-rename:2", "after-point:2"])
def test_terminated_while_saving_it_saves_first(
    point: str, start: Callable, small_run: Any, expected: Any, fingerprint: Callable, tmp_path: Path
) -> None:
    run = RunDir(tmp_path / "run")
    child = start(*small_run, "hydra.run.dir=run", KILLED=f"{point}:SIGTERM")
    assert child.wait() == 143, child.said
    assert run.read_status()["state"] == "interrupted"
    child = start("resume", "run")
    assert child.wait() == 0, child.said
    assert fingerprint(run) == expected


def test_terminated_while_validating_it_saves_before_it_is_through(start: Callable, tmp_path: Path) -> None:
    (tmp_path / "homemade.py").write_text(
        "import os, signal\n"
        "from pathlib import Path\n"
        "from torch import nn\n"
        "class Ending(nn.Linear):\n"
        "    def __init__(self, spec):\n"
        "        super().__init__(spec.input_shape[0], spec.out_features)\n"
        "        self.trained = 0\n"
        "    def forward(self, x):\n"
        "        self.trained += self.training\n"
        "        if not self.training and self.trained == 12 and not Path('ended').exists():\n"
        "            Path('ended').touch()\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "        return super().forward(x)\n"
    )
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "ending.yaml").write_text("_target_: homemade.Ending\n")
    sizes = (
        "data.rows=2000",
        "data.val_fraction=0.5",
        "trainer.batch_size=200",
    )  # 4 steps an epoch; 4 batches are held out
    child = start("model=ending", "data=regression", *sizes, "trainer.epochs=9", "hydra.run.dir=run")
    assert child.wait() == 143, child.said
    run = RunDir(tmp_path / "run")
    assert run.read_status()["state"] == "interrupted"
    assert (verify(last := pointed(run.checkpoints, "last"))["epoch"], last.name) == (2, "step-00000012")
    refused = start("resume", "run")
    assert refused.wait() == 2
    assert "--trust=homemade" in refused.said
    child = start("resume", "run", "--trust=homemade")
    assert child.wait() == 0, child.said
    assert [row["epoch"] for row in run.read_history()] == list(range(1, 10))


def test_terminated_while_compiling_it_ends_at_once(
    start: Callable, appeared: Callable, dice: random.Random, tmp_path: Path
) -> None:
    run = RunDir(tmp_path / "run")
    how = ("model=cnn", "data=digits", "baseline=none", "trainer.compile=true", "hydra.run.dir=run")
    child = start(*how, TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "cache"))  # in which nothing is compiled yet
    appeared(run.facts)
    time.sleep(dice.uniform(0.2, 4))
    asked = time.monotonic()
    child.kill(signal.SIGTERM)
    assert child.wait() == 143, child.said
    assert time.monotonic() - asked < 10
    assert "Traceback" not in child.said
    assert run.read_status()["state"] == "interrupted"
    assert not run.history.exists()


def test_a_sweep_that_is_asked_to_end_starts_no_further_job(
    start: Callable, appeared: Callable, small_run: Any, tmp_path: Path
) -> None:
    child = start("-m", *small_run, "seed=1,2,3", "hydra.sweep.dir=sweep")
    appeared(tmp_path / "sweep" / "1" / "metrics.csv", lines=2)
    child.kill(signal.SIGINT)
    assert child.wait() == 130, child.said
    states = [RunDir(tmp_path / "sweep" / str(job)).read_status()["state"] for job in (0, 1)]
    assert states == ["done", "interrupted"]
    assert not (tmp_path / "sweep" / "2").exists()
    assert (tmp_path / "sweep" / "sweep.csv").exists()
