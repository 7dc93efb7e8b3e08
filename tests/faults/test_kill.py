"""Killed at any moment, a run loses nothing: resumed, it ends with the bits of one that was never interrupted."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dltrain.runs.folder import RunDir
from dltrain.runs.lock import locked

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("DLTRAIN_KILLS", "25"))
OPERATIONS = ("write", "fsync", "rename", "point", "delete")


def test_killed_at_any_moment_and_resumed_a_run_ends_with_the_same_bits(
    start: Callable,
    appeared: Callable,
    small_run: Any,
    expected: Any,
    fingerprint: Callable,
    dice: random.Random,
    tmp_path: Path,
) -> None:
    child = start(*small_run, "hydra.run.dir=timed")
    appeared(RunDir(tmp_path / "timed").config)
    began = time.monotonic()
    assert child.wait() == 0
    seconds = time.monotonic() - began  # of a run, once it has begun
    kills = runs = unbegun = 0
    while kills < KILLS:
        run = RunDir(tmp_path / f"killed-{runs}")
        runs += 1
        child = start(*small_run, f"hydra.run.dir={run.path.name}")
        if dice.random() < 0.9:  # else it may be killed before there is anything to resume
            appeared(run.config)
        for _ in range(dice.choice([1, 1, 2, 3])):  # some are killed again after they were resumed
            time.sleep(dice.uniform(0, seconds))
            child.kill()
            kills += child.wait() == -signal.SIGKILL
            if not run.config.exists():
                break
            with locked(run.path):
                pass
            child = start("resume", run.path.name)
        if not run.config.exists():
            unbegun += 1
            continue
        assert child.wait() == 0, child.said
        assert fingerprint(run) == expected, run.path
        assert run.read_status()["state"] == "done"
        assert not [path for path in run.path.rglob("*") if ".tmp" in path.name]
    print(f"{kills} kills in {runs} runs, {unbegun} of them before there was anything to resume")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_around_any_step_of_saving_a_run_loses_nothing(
    operation: str,
    moment: str,
    start: Callable,
    small_run: Any,
    expected: Any,
    fingerprint: Callable,
    dice: random.Random,
    tmp_path: Path,
) -> None:
    run, fault = RunDir(tmp_path / "run"), f"{moment}-{operation}:{dice.randint(1, 15)}"
    print(fault)
    child = start(*small_run, "hydra.run.dir=run", KILLED=fault)
    assert child.wait() == -signal.SIGKILL, child.said
    began = run.config.exists()
    child = start("resume", "run")
    if not began:
        assert child.wait() == 2, child.said
        assert "the run was killed before it began" in child.said
        shutil.rmtree(run.path)
        child = start(*small_run, "hydra.run.dir=run")
    assert child.wait() == 0, child.said
    assert fingerprint(run) == expected
    assert not [path for path in run.path.rglob("*") if ".tmp" in path.name]
