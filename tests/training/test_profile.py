"""`trainer.profile` says where the time of a run went."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dltrain.runs.folder import read_json
from dltrain.training.profile import PARTS


def test_a_profile_names_every_part_and_adds_up(dltrain: Callable) -> None:
    called = dltrain("model=mlp", "data=iris", "trainer.epochs=3", "trainer.profile=true", "baseline.seconds=60")
    assert called.code == 0, called.err
    profile = read_json(called.run.profile)
    assert list(profile) == [*PARTS, "rest", "total"]
    assert all(profile[part] > 0 for part in PARTS)
    assert sum(profile[part] for part in (*PARTS, "rest")) == pytest.approx(profile["total"], rel=0.01)
    page = called.run.report.read_text("utf-8")
    assert "Where the time went" in page and "imports and configuration" in page


def test_a_profiled_run_learns_the_same(dltrain: Callable) -> None:
    short = ("model=mlp", "data=iris", "trainer.epochs=3", "baseline=none")
    dltrain(*short, "hydra.run.dir=plain")
    plain, profiled = dltrain(*short, "trainer.profile=true", "hydra.run.dir=profiled").runs
    rows = [[row["train/loss"] for row in run.read_history()] for run in (plain, profiled)]
    assert rows[0] == rows[1]
    assert not plain.profile.exists() and "Where the time went" not in plain.report.read_text("utf-8")
