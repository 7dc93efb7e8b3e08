"""Compiled passes: the same learning, only where they help, and refused in plain words where they cannot be had."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dltrain.data.loader import TensorLoader
from dltrain.errors import ConfigError
from dltrain.experiment.build import build_loss, build_task
from dltrain.training.compilation import Gain, check_compiler, compiled
from dltrain.training.loop import epochs_of, fit
from dltrain.training.settings import TrainerSettings
from dltrain.training.state import TrainState
from dltrain.types import Batch, Facts, Split

CPU = torch.device("cpu")
FACTS = Facts("table", "regression", (3,))
TASK = build_task(FACTS, build_loss({}, FACTS))


class Noisy(nn.Module):
    def __init__(self, dropout: float = 0.5) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(dropout), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.layers(x)
        return output


def batch_of(rows: int) -> Batch:
    return Batch((torch.randn(rows, 3),), torch.randn(rows, 1))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Puts a compiler in the place of torch's that notes the sizes of the batches that its code is called with."""
    sizes: list[int] = []

    def stand_in(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        assert options == {"dynamic": False}

        def call(*inputs: Tensor) -> Any:
            sizes.append(len(inputs[0]))
            return function(*inputs)

        return call

    monkeypatch.setattr(torch, "compile", stand_in)
    monkeypatch.setattr(torch.compiler, "reset", lambda: None)
    return sizes


def test_full_batches_of_training_alone_are_compiled(calls: list[int]) -> None:
    model = Noisy()
    with compiled(model, TASK, batch_of(5), "float32"):
        calls.clear()
        for rows in (5, 4, 5):
            model.train()(*batch_of(rows).inputs)
        model.eval()(*batch_of(5).inputs)
        assert calls == [5, 5]
    model.train()(*batch_of(5).inputs)
    assert calls == [5, 5]
    assert "forward" not in vars(model)


def test_measuring_changes_neither_the_model_nor_what_is_random(calls: list[int]) -> None:
    model, untouched, batch = Noisy(), Noisy(), batch_of(5)
    before = torch.get_rng_state()
    with compiled(model, TASK, batch, "float32") as gain:
        assert torch.equal(torch.get_rng_state(), before)
        for (name, tensor), twin in zip(model.state_dict().items(), untouched.state_dict().values(), strict=True):
            assert torch.equal(tensor, twin), name
        assert all(parameter.grad is None for parameter in model.parameters())
    assert gain.plain > 0 and gain.compiled > 0


def test_a_model_that_cannot_be_compiled_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        def call(*_: Tensor) -> Any:
            raise RuntimeError("no code for this")

        return call

    monkeypatch.setattr(torch, "compile", refusing)
    monkeypatch.setattr(torch.compiler, "reset", lambda: None)
    context = compiled(Noisy(), TASK, batch_of(5), "float32")
    with pytest.raises(ConfigError, match="torch cannot compile Noisy: RuntimeError: no code for this") as refused:
        context.__enter__()
    assert refused.value.override == "trainer.compile=false"


def test_without_a_compiler_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(
        ConfigError, match=r"needs a C\+\+ compiler on a CPU, and there is no no-such-compiler"
    ) as refused:
        check_compiler(CPU)
    assert (refused.value.where, refused.value.override) == ("trainer.compile", "trainer.compile=false")
    with pytest.raises(ConfigError, match="works on a CPU or with CUDA, and the device is mps"):
        check_compiler(torch.device("mps"))


def test_what_it_gains_is_said_with_the_steps_that_it_takes() -> None:
    gain = Gain(compiling=20.0, plain=0.004, compiled=0.003)
    assert gain.break_even == pytest.approx(20_000)
    assert gain.describe(500) == (
        "compiling took 20.0 s; forward and backward take 3 ms a step, and 4 ms without: it pays off after 20,000 "
        "steps, and this run has 500"
    )
    slower = Gain(20.0, 0.003, 0.004)
    assert slower.break_even == math.inf
    assert slower.describe(500).endswith("4 ms a step, and 3 ms without: trainer.compile=false is faster")


@pytest.mark.faults
def test_a_compiled_run_learns_alike_and_goes_on_bit_for_bit() -> None:
    """With torch's own compiler, which takes half a minute."""
    torch.manual_seed(1)
    split = Split((torch.randn(30, 3),), torch.randn(30, 1), ("",) * 30)

    def train(model: nn.Module, *, compiles: bool, stop: bool = False) -> tuple[list[float], dict[str, Tensor]]:
        torch.manual_seed(2)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        state = TrainState(model, optimizer, None, torch.amp.GradScaler("cpu", enabled=False))
        loader = TensorLoader(split, 8, CPU, seed=0)
        settings = TrainerSettings(epochs=4, monitor="train/loss")
        losses: list[float] = []
        for part in (2, 4) if stop else (4,):
            loader.set_epoch(0)
            context = compiled(model, TASK, next(iter(loader)), "float32") if compiles else nullcontext()
            with context:
                moments = epochs_of(fit(state, TASK, loader, None, settings))
                losses += [row["train/loss"] for row in islice(moments, part - len(losses))]
            saved = state.state_dict()
            torch.rand(7)  # a later process has drawn other numbers
            state.load_state_dict(saved)
        return losses, model.state_dict()

    whole, weights = train(Noisy(), compiles=True)
    parts, others = train(Noisy(), compiles=True, stop=True)
    assert whole == parts
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert whole != pytest.approx([whole[0]] * 4)
    smooth = [train(Noisy(dropout=0.0), compiles=compiles)[0] for compiles in (False, True)]
    assert smooth[0] == pytest.approx(smooth[1], rel=1e-4)
