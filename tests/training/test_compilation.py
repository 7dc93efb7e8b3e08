"""Compiled passes: the same learning, only where they help, and refused in plain words where they cannot be had."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from dltrain.data.loader import TensorLoader
from dltrain.errors import ConfigError
from dltrain.experiment.build import build_loss, build_task
from dltrain.experiment.compilation import usual_batch
from dltrain.training.compilation import WARM_UP, Gain, check_compiler, compiled
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


class Sums(nn.Module):
    """Takes sequences of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x.sum(dim=1, keepdim=True)


class Thawing(Noisy):
    """Trains its last layer alone, and all from the third epoch on."""

    unfreeze_epoch = 2

    def freeze_for(self, epoch: int) -> None:
        self.layers[0].requires_grad_(epoch >= self.unfreeze_epoch)


@pytest.fixture
def stances(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes how torch's compiler is told to meet batches that it has no code for."""
    noted: list[str] = []

    def note(stance: str) -> AbstractContextManager[None]:
        noted.append(stance)
        return nullcontext()

    monkeypatch.setattr(torch.compiler, "set_stance", note)
    return noted


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, stances: list[str]) -> list[tuple[int, ...]]:
    """Puts a compiler in the place of torch's that notes the shapes of the batches that its code is called with."""
    shapes: list[tuple[int, ...]] = []

    def stand_in(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        assert options == {"dynamic": False}

        def call(*inputs: Tensor) -> Any:
            shapes.append(tuple(inputs[0].shape))
            return function(*inputs)

        return call

    monkeypatch.setattr(torch, "compile", stand_in)
    monkeypatch.setattr(torch.compiler, "reset", lambda: None)
    return shapes


def test_batches_of_one_shape_are_compiled_in_training_alone(calls: list[tuple[int, ...]]) -> None:
    model = Sums()
    with compiled(model, TASK, batch_of(5), "float32"):
        calls.clear()
        for shape in ((5, 3), (4, 3), (5, 2), (5, 3)):
            model.train()(torch.randn(shape))
        model.eval()(torch.randn(5, 3))
        assert calls == [(5, 3), (5, 3)]
    model.train()(torch.randn(5, 3))
    assert len(calls) == 2
    assert "forward" not in vars(model)


def test_nothing_is_compiled_once_the_training_has_begun(calls: list[tuple[int, ...]], stances: list[str]) -> None:
    model = Noisy()
    with compiled(model, TASK, batch_of(5), "float32"):
        assert stances[:WARM_UP] == ["default"] * WARM_UP
        assert set(stances[WARM_UP:]) == {"fail_on_recompile"}
        stances.clear()
        model.train()(*batch_of(5).inputs)
        assert stances == ["eager_on_recompile"]


def test_what_is_trained_in_later_epochs_alone_is_compiled_as_well(
    calls: list[tuple[int, ...]], stances: list[str]
) -> None:
    model = Thawing()
    with compiled(model, TASK, batch_of(5), "float32"):
        assert stances.count("default") == 2 * WARM_UP
        assert model.layers[0].weight.requires_grad  # the model itself is as it was


class Batches:
    """Yields batches of these lengths in the first epoch, and others later."""

    def __init__(self, *lengths: int) -> None:
        self.lengths, self.epoch = lengths, -1

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        assert self.epoch == 0
        return (Batch((torch.zeros(2, length),), torch.zeros(2, 1)) for length in self.lengths)


def test_the_most_usual_shape_of_the_first_epoch_is_the_one_that_is_compiled() -> None:
    batch, share = usual_batch(cast(Any, Batches(3, 5, 5, 4)))
    assert (batch.inputs[0].shape, share) == ((2, 5), 0.5)
    assert usual_batch(cast(Any, Batches(*[3] * 20, *[5] * 80)))[1] == 1


def test_texts_of_many_lengths_are_not_compiled_and_go_on_with_the_same_bits(dltrain: Callable) -> None:
    short = ("model=lstm", "model.hidden=4", "model.embedding=4", "data=text", "data.rows=300", "trainer.threads=1")
    short = (*short, "trainer.batch_size=8", "trainer.compile=true", "trainer.patience=null", "scheduler=constant")
    whole = dltrain(*short, "baseline=none", "trainer.epochs=2", "hydra.run.dir=whole")
    assert whole.code == 0, whole.err
    assert "compile nothing, because batches have different shapes: the most usual one, 8×" in whole.out + whole.err
    assert dltrain(*short, "baseline=none", "trainer.epochs=1", "hydra.run.dir=parts").code == 0
    assert dltrain("resume", "parts", "trainer.epochs=2").code == 0
    one, other = ([row["train/loss"] for row in run.read_history()] for run in whole.runs)
    assert one == other


def test_measuring_changes_neither_the_model_nor_what_is_random(calls: list[tuple[int, ...]]) -> None:
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


@pytest.mark.faults
def test_a_run_of_texts_of_which_most_are_compiled_goes_on_bit_for_bit_and_says_nothing_of_torch(
    dltrain: Callable,
) -> None:
    """With torch's own compiler, three times."""
    short = ("model=lstm", "model.hidden=4", "model.embedding=4", "data=text", "data.length=8", "trainer.threads=1")
    short = (*short, "trainer.compile=true", "trainer.patience=null", "scheduler=constant", "baseline=none")
    whole = dltrain(*short, "trainer.epochs=2", "hydra.run.dir=whole")
    assert whole.code == 0 and "compiling took" in whole.out + whole.err, whole.err
    assert dltrain(*short, "trainer.epochs=1", "hydra.run.dir=parts").code == 0
    assert dltrain("resume", "parts", "trainer.epochs=2").code == 0
    rows = [[row["train/loss"] for row in run.read_history()] for run in whole.runs]
    assert rows[0] == rows[1]
    assert "torch" not in whole.out + whole.err
