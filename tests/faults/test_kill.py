"""Killed at any moment, a run loses nothing: resumed, it ends with the bits of one that was never interrupted."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from dltrain.rundir import RunDir

KILLS = int(os.environ.get("DLTRAIN_KILLS", "25"))
RUN = (
    *("model=mlp", "model.hidden=[48]", "model.embed=null", "data=regression", "data.rows=3000", "baseline=none"),
    *("trainer.epochs=4", "trainer.batch_size=16", "trainer.ema=0.9", "scheduler=one_cycle", "trainer.device=cpu"),
    *("trainer.save_minutes=0.0002", "trainer.patience=null"),
)


def test_killed_at_any_moment_and_resumed_a_run_ends_with_the_same_bits(
    start: Callable, fingerprint: Callable, dice: random.Random, tmp_path: Path
) -> None:
    began = time.monotonic()
    assert start(*RUN, "hydra.run.dir=whole").wait() == 0
    seconds = time.monotonic() - began
    expected = fingerprint(RunDir(tmp_path / "whole"))
    kills = 0
    while kills < KILLS:
        name = f"killed-{kills}"
        run = RunDir(tmp_path / name)
        child = start(*RUN, f"hydra.run.dir={name}")
        for _ in range(dice.choice([1, 1, 2, 3])):  # some are killed again after they were resumed
            time.sleep(dice.uniform(0, seconds))
            child.kill()
            kills += child.wait() == -signal.SIGKILL
            if not run.config.exists():
                break  # it had not begun
            child = start("resume", name)
        if run.config.exists():
            assert child.wait() == 0, child.said
            assert fingerprint(run) == expected, name
            assert run.read_status()["state"] == "done"
            assert not [path for path in run.path.rglob("*") if ".tmp" in path.name]
    print(f"{kills} kills")
