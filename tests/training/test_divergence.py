"""Numbers that leave the finite ones are found, named and never kept."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dltrain.data.loader import TensorLoader
from dltrain.errors import Diverged
from dltrain.experiment.build import build_task
from dltrain.tasks.losses import MeanSquaredError
from dltrain.training import divergence
from dltrain.training.averaging import moving_average
from dltrain.training.divergence import check_finite, sums_are_finite
from dltrain.training.loop import fit
from dltrain.training.schedules import step
from dltrain.training.settings import TrainerSettings
from dltrain.training.state import Running, TrainState
from dltrain.types import Facts, Split

CPU = torch.device("cpu")
FACTS = Facts("table", "regression", (2,))


def new_state(rows: int = 40, bad_row: int | None = None) -> tuple[TrainState, TensorLoader]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    x = torch.randn(rows, 2)
    if bad_row is not None:
        x[bad_row] = math.nan
    loader = TensorLoader(Split((x,), torch.randn(rows, 1), ("",) * rows), 4, CPU)
    scheduler = step(optimizer, 30, 1, every=1, gamma=0.5)  # another rate each step
    return TrainState(model, optimizer, scheduler, torch.amp.GradScaler("cpu", enabled=False)), loader


@pytest.mark.parametrize(
    ("accumulate", "bad_row", "said"),
    [(1, 13, "step 4 (epoch 1, batch 4, lr 0.0625)"), (3, 13, "step 2 (epoch 1, batch 4, lr 0.25)")],
)
@pytest.mark.parametrize("pauses", [False, True])
def test_the_first_step_that_was_not_finite_is_named(accumulate: int, bad_row: int, said: str, pauses: bool) -> None:
    state, loader = new_state(bad_row=bad_row)
    settings = TrainerSettings(epochs=2, accumulate=accumulate, monitor="train/loss")
    if pauses:
        state.stop_requested = True
    with pytest.raises(Diverged, match="the training loss is nan") as stopped:
        list(fit(state, build_task(FACTS, MeanSquaredError(FACTS)), loader, None, settings))
    assert said in stopped.value.what
    assert stopped.value.exit_code == 3
    assert state.step == (int(said.split()[1]) if pauses else -(-10 // accumulate))


@pytest.mark.parametrize("as_on_gpu", [False, True])
@pytest.mark.parametrize("where", ["weight", "average", "running variance"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_weight_or_an_average_that_is_not_finite_is_found(
    where: str, value: float, as_on_gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if as_on_gpu:
        monkeypatch.setattr(divergence, "largest_on_gpu", lambda tensors: nn.utils.get_total_norm(tensors, math.inf))
        monkeypatch.setattr(divergence, "sums_are_finite", None)
    state, _ = new_state()
    state.average = moving_average(state.model, 0.9)
    state.running = Running()
    check_finite(state, 1)
    model = state.judged if where == "average" else state.model
    tensor = model[1].running_var if where == "running variance" else model[2].weight
    tensor.data.flatten()[1] = value
    with pytest.raises(Diverged, match="some weights are not finite"):
        check_finite(state, 1)


def test_large_weights_are_finite_numbers() -> None:
    model = nn.Linear(2, 2)
    model.weight.data.fill_(1e38)  # whose square is not
    assert sums_are_finite(list(model.parameters()))
