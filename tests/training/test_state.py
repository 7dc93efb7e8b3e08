"""The train state: which epoch is the best, and continuing from where it stands."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from dltrain.data.loader import TensorLoader
from dltrain.tasks.losses import MeanSquaredError
from dltrain.tasks.regression import Regression
from dltrain.training import schedules
from dltrain.training.averaging import moving_average
from dltrain.training.loop import fit
from dltrain.training.settings import TrainerSettings
from dltrain.training.state import Running, TrainState
from dltrain.types import Facts, Split

FACTS = Facts("table", "regression", (3,))
CPU = torch.device("cpu")


def new_state(
    make_optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    schedule: Callable[..., Any] = schedules.constant,
    seed: int = 0,
) -> TrainState:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = make_optimizer(model.parameters(), lr=0.01)
    return TrainState(model, optimizer, schedule(optimizer, 12, 2), torch.amp.GradScaler("cpu", enabled=False))


def judged(values: list[float], better: Any, min_delta: float = 0.0) -> list[tuple[int, int]]:
    """After each epoch its best epoch and the epochs since."""
    state = new_state()
    seen = []
    for value in values:
        state.epoch += 1
        state.judge(value, better, min_delta)
        assert state.improved == (state.best_epoch == state.epoch)
        seen.append((state.best_epoch, state.stale))
    return seen


def test_less_is_better() -> None:
    assert judged([3, 2, 2, 2.5, 1], "min") == [(1, 0), (2, 0), (2, 1), (2, 2), (5, 0)]


def test_more_is_better() -> None:
    assert judged([0.1, 0.5, 0.4, 0.5, 0.6], "max") == [(1, 0), (2, 0), (2, 1), (2, 2), (5, 0)]


def test_a_change_must_exceed_min_delta() -> None:
    assert judged([1.0, 0.75, 0.5, 0.25], "min", 0.25) == [(1, 0), (1, 1), (3, 0), (3, 1)]
    assert judged([0.0, 0.25, 0.5, 0.625], "max", 0.25) == [(1, 0), (1, 1), (3, 0), (3, 1)]


@pytest.mark.parametrize("better", ["min", "max"])
def test_nan_is_never_the_best(better: str) -> None:
    assert judged([math.nan, math.nan, 1.0, math.nan], better) == [(0, 1), (0, 2), (3, 0), (3, 1)]


def test_a_number_is_better_than_infinity() -> None:
    assert judged([math.inf, math.inf, 5.0], "min")[-1] == (3, 0)
    assert judged([-math.inf, -math.inf, -5.0], "max")[-1] == (3, 0)


def test_no_epoch_is_best_before_the_first() -> None:
    assert not new_state().improved


@pytest.mark.parametrize("make_optimizer", [torch.optim.Adam, torch.optim.RMSprop, torch.optim.Adagrad])
@pytest.mark.parametrize(
    "schedule", [schedules.constant, schedules.step, schedules.cosine, schedules.one_cycle, schedules.plateau]
)
def test_a_saved_state_continues_bit_for_bit(
    make_optimizer: Callable[..., torch.optim.Optimizer], schedule: Callable[..., Any]
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 3, generator=generator)
    split = Split((x,), x.sum(dim=1, keepdim=True) ** 2, ("",) * 40)
    task, loader = Regression(FACTS, MeanSquaredError(FACTS)), TensorLoader(split, 20, CPU, seed=1)

    def train(state: TrainState, epochs: int) -> list[dict[str, float]]:
        rows = list(fit(state, task, loader, None, TrainerSettings(epochs=epochs, monitor="train/loss")))
        return [{key: row[key] for key in ("epoch", "step", "lr", "train/loss")} for row in rows]

    whole = new_state(make_optimizer, schedule)
    expected = train(whole, 6)

    first = new_state(make_optimizer, schedule)
    rows = train(first, 4)
    torch.save(first.state_dict(), file := io.BytesIO())
    file.seek(0)
    second = new_state(make_optimizer, schedule, seed=99)
    second.model.load_state_dict(first.model.state_dict())
    second.load_state_dict(torch.load(file, weights_only=True))
    assert rows + train(second, 6) == expected
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name
    assert (second.best, second.best_epoch, second.stale) == (whole.best, whole.best_epoch, whole.stale)


def test_an_average_of_infinite_bounds_stays_what_it_is() -> None:
    model = nn.Linear(2, 1)
    model.register_buffer("low", torch.tensor([-torch.inf, 0.0]))
    average = moving_average(model, 0.9)
    for step in range(1, 4):
        with torch.no_grad():
            model.weight.add_(1)
        average.after_step(model, step)
    assert average.module.low.tolist() == [-torch.inf, 0.0]
    assert average.module.weight.isfinite().all()
    assert (average.module.weight < model.weight).all()


def test_nothing_is_read_from_another_device_before_the_sums_are() -> None:
    """A tensor without data stands for one whose data nobody may wait for."""
    running = Running()
    for weight in (3.0, torch.ones((), device="meta")):
        running.add(torch.zeros((), device="meta"), weight)
        running.count(0.1, 1)
    assert running.batches == 2
    with pytest.raises(RuntimeError, match="meta"):
        running.read()


def test_a_number_beside_the_losses_is_read_with_them() -> None:
    running = Running()
    for loss in (2.0, 4.0):
        running.losses.append(torch.tensor(loss))
        running.weights.append(1.0)
        running.count(0.1, 1)
    assert running.read(torch.tensor(7.5)) == (None, 7.5)
    assert (running.loss, running.weight) == (6.0, 2.0)
    assert running.read(torch.tensor(3.0)) == (None, 3.0)
    assert running.read() == (None, None)
