"""`trainer.profile` says where the time of a run went."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter, sleep
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dltrain.experiment import compilation, complete
from dltrain.runs.folder import RunDir, read_json
from dltrain.training.compilation import Gain
from dltrain.training.profile import PARTS, Profile

OF_SOME_RUNS = ("solve", "features", "compile")
CPU = torch.device("cpu")


def test_a_profile_names_every_part_and_adds_up(dltrain: Callable) -> None:
    called = dltrain("model=mlp", "data=iris", "trainer.epochs=3", "trainer.profile=true", "baseline.seconds=60")
    assert called.code == 0, called.err
    profile = read_json(called.run.profile)
    assert list(profile) == [*PARTS, "rest", "total"]
    assert all(profile[part] > 0 for part in PARTS if part not in OF_SOME_RUNS)
    assert profile["solve"] == profile["compile"] == 0
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


class Slow(torch.autograd.Function):
    """The identity, whose backward pass takes 20 ms."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        sleep(0.02)
        return gradient


def test_the_backward_passes_of_all_batches_of_a_step_count() -> None:
    profile, model = Profile(), nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters())
    with profile.steps(model, optimizer, CPU):
        for _ in range(2):
            for _ in range(3):
                Slow.apply(model(torch.ones(4, 2))).sum().backward()
            optimizer.step()
            sleep(0.5)  # what lies between two steps belongs to neither
    assert 0.12 <= profile.seconds["loss and backward"] < 0.5


def test_the_profile_of_a_resumed_run_is_that_of_its_own_process(dltrain: Callable) -> None:
    short = ("model=linear", "data=iris", "trainer.profile=true", "baseline=none", "trainer.patience=null")
    assert dltrain(*short, "trainer.epochs=300", "hydra.run.dir=run").code == 0
    before = read_json(RunDir("run").result)["seconds"]
    began = perf_counter()
    assert dltrain("resume", "run", "trainer.epochs=301").code == 0
    seconds = perf_counter() - began
    profile = read_json(RunDir("run").profile)
    assert profile["total"] <= seconds
    assert profile["imports and configuration"] < profile["total"] / 2
    assert read_json(RunDir("run").result)["seconds"] > before / 2  # the earlier process is part of the run


def test_what_is_solved_in_closed_form_has_a_part(dltrain: Callable) -> None:
    called = dltrain("model=ease", "data=ratings", "data.split=leave_last", "baseline=none", "trainer.profile=true")
    assert called.code == 0, called.err
    assert read_json(called.run.profile)["solve"] > 0


def test_compiling_and_the_features_of_a_frozen_trunk_have_parts(
    dltrain: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def compiled(*_: object) -> Iterator[Gain]:
        sleep(0.3)
        yield Gain(0.3, 0.1, 0.1)

    def with_cached_features(setup: Any, verbosity: int) -> Any:
        sleep(0.2)
        return setup

    monkeypatch.setattr(compilation, "compiled", compiled)
    monkeypatch.setattr(complete, "with_cached_features", with_cached_features)
    called = dltrain("model=linear", "data=iris", "baseline=none", "trainer.profile=true", "trainer.compile=true")
    assert called.code == 0, called.err
    profile = read_json(called.run.profile)
    assert profile["compile"] >= 0.3 and profile["features"] >= 0.2
