"""Killed at any moments, a sweep loses nothing: continued, it ends in the table of one that was never interrupted."""

from __future__ import annotations

import csv
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dltrain.runs.folder import RunDir

pytestmark = pytest.mark.faults

JOBS = int(os.environ.get("DLTRAIN_SWEEP_JOBS", "8"))
KILLS = int(os.environ.get("DLTRAIN_SWEEP_KILLS", "4"))
EPOCHS = {"basic": 60, "fleet": 2000}  # which train at once in a few seconds
CLOCKS = ("seconds", "samples_per_second")
SWEEP = (
    *("-m", "model=linear", "data=iris", "baseline=none", "trainer.threads=1", "trainer.patience=null", "--quiet"),
    *("trainer.save_epochs=20", "optimizer.lr=0.1,0.01", f"seed=range({JOBS // 2})"),
)


def table_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(encoding="utf-8", newline="") as file:
        return [{name: cell for name, cell in row.items() if name not in CLOCKS} for row in csv.DictReader(file)]


def ends_of(folder: Path) -> dict[str, int]:
    """When the last epoch of each job that is done was written; a result is written again with the test split."""
    runs = [RunDir(path.parent) for path in folder.glob("*/status.json") if path.stat().st_size]
    return {run.path.name: run.history.stat().st_mtime_ns for run in runs if run.read_status()["state"] == "done"}


@pytest.mark.parametrize("launcher", ["basic", "fleet"])
def test_a_sweep_under_random_kills_ends_in_the_same_table(
    launcher: str, start: Callable, appeared: Callable, dice: random.Random, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = (*SWEEP, f"hydra/launcher={launcher}", f"trainer.epochs={EPOCHS[launcher]}")
    began = time.monotonic()
    child = start(*words, "hydra.sweep.dir=whole")
    appeared(whole / "0" / "config.yaml")
    before, now = time.monotonic() - began, time.monotonic()
    assert child.wait() == 0, child.said
    training = time.monotonic() - now
    kills, done = 0, dict[str, int]()
    while kills < KILLS:
        again = ("resume", "killed", "--quiet") if killed.exists() and dice.random() < 0.5 else None
        child = start(*(again or (*words, "hydra.sweep.dir=killed")))
        time.sleep(dice.uniform(0, before + training / KILLS))
        child.kill()
        code = child.wait()
        if again is not None and code == 2:  # killed before anything of the sweep was recorded
            assert not (killed / "sweep.json").exists(), child.said
            continue
        assert code in (-signal.SIGKILL, 0), child.said
        kills += code == -signal.SIGKILL
        now_done = ends_of(killed) if killed.exists() else {}
        assert done.items() <= now_done.items(), "a job that was done ran again"
        if code == 0:
            break
        done = now_done
    child = start(*words, "hydra.sweep.dir=killed")
    assert child.wait() == 0, child.said
    print(f"{kills} kills of {JOBS} jobs, {launcher}, {len(done)} of them done at the last one")
    assert kills > KILLS // 2, "the sweep ended before it could be killed often enough"
    after, expected = table_of(killed), table_of(whole)
    assert [row["state"] for row in after] == ["done"] * JOBS
    if launcher == "basic":
        assert after == expected
    for row, other in zip(after, expected, strict=True):  # stacked steps differ from single ones in the last digits
        assert float(row["val/loss"]) == pytest.approx(float(other["val/loss"]), rel=0.02)
    assert not [path for path in killed.rglob("*") if ".tmp" in path.name]
