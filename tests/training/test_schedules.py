"""Learning-rate schedules at their first, highest and last steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from dltrain.training import schedules


def optimizer(lr: float = 1.0, momentum: float = 0.9) -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=momentum)


def rates(
    schedule: Callable[..., LRScheduler], total: int, lr: float = 1.0, per_epoch: int = 1, **config: Any
) -> list[float]:
    """The rate that each of `total` steps is taken with."""
    stepped = optimizer(lr)
    scheduler = schedule(stepped, total, per_epoch, **config)
    used = []
    for _ in range(total):
        used.append(stepped.param_groups[0]["lr"])
        stepped.step()
        scheduler.step()
    return used


def test_constant_has_nothing_to_step() -> None:
    assert schedules.constant(optimizer(), 100, 10) is None


def test_step_multiplies_after_every_few_epochs() -> None:
    used = rates(schedules.step, 24, lr=0.5, per_epoch=4, every=2, gamma=0.1)
    assert used == pytest.approx([0.5] * 8 + [0.05] * 8 + [0.005] * 8)


def test_cosine_rises_then_falls() -> None:
    total, warmup = 200, 10
    used = rates(schedules.cosine, total, lr=0.4, warmup=0.05)
    assert used[:warmup] == pytest.approx([0.4 * (n + 1) / 11 for n in range(warmup)])
    assert max(used) == used[warmup] == 0.4
    falling = [0.2 * (1 + math.cos(math.pi * n / 190)) for n in range(190)]
    assert used[warmup:] == pytest.approx(falling)
    assert used[-1] == pytest.approx(0, abs=1e-4)


def test_cosine_without_warmup_is_torchs() -> None:
    stepped = optimizer(0.3)
    torchs = torch.optim.lr_scheduler.CosineAnnealingLR(stepped, T_max=50, eta_min=0.03)
    expected = []
    for _ in range(50):
        expected.append(stepped.param_groups[0]["lr"])
        stepped.step()
        torchs.step()
    assert rates(schedules.cosine, 50, lr=0.3, warmup=0.0, final=0.1) == pytest.approx(expected)


def test_cosine_stays_at_its_end_when_stepped_on() -> None:
    stepped = optimizer()
    scheduler = schedules.cosine(stepped, 10, 1, final=0.25)
    for _ in range(25):
        stepped.step()
        scheduler.step()
    assert stepped.param_groups[0]["lr"] == pytest.approx(0.25)


def test_one_cycle_begins_peaks_and_ends_where_it_says() -> None:
    used = rates(schedules.one_cycle, 100, lr=0.5, warmup=0.2, start=25.0, end=1e4)
    assert used[0] == pytest.approx(0.5 / 25)
    assert used.index(max(used)) == 19
    assert max(used) == pytest.approx(0.5)
    assert used[-1] == pytest.approx(0.5 / 25 / 1e4)


def test_one_cycle_leaves_momentum_alone() -> None:
    stepped = optimizer(momentum=0.9)
    schedules.one_cycle(stepped, 100, 10)
    assert stepped.param_groups[0]["momentum"] == 0.9


def test_one_cycle_keeps_the_peak_of_each_group() -> None:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (1.0, 0.1)]
    stepped = torch.optim.SGD(groups)
    schedules.one_cycle(stepped, 100, 10, start=10.0)
    assert [group["lr"] for group in stepped.param_groups] == pytest.approx([0.1, 0.01])


def test_plateau_falls_after_its_patience() -> None:
    stepped = optimizer()
    scheduler = schedules.plateau(stepped, 100, 10, patience=2, factor=0.5, threshold=0.1)
    assert isinstance(scheduler, ReduceLROnPlateau)
    used = []
    for value in (1.0, 0.5, 0.45, 0.45, 0.45, 0.45, 0.2, -0.5):  # 0.05 less is not less
        scheduler.step(value)
        used.append(stepped.param_groups[0]["lr"])
    assert used == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]


def test_plateau_counts_a_fall_below_zero_by_its_size() -> None:
    stepped = optimizer()  # as a metric of which more is better, negated
    scheduler = schedules.plateau(stepped, 100, 10, patience=0, factor=0.5, threshold=0.01)
    for value in (-0.90, -0.92, -0.94):
        scheduler.step(value)
    assert stepped.param_groups[0]["lr"] == 1.0
    scheduler.step(-0.945)
    assert stepped.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("schedule", [schedules.cosine, schedules.one_cycle])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.2, 0.5, 1.0])
def test_any_number_of_steps_will_do(schedule: Callable[..., LRScheduler], warmup: float) -> None:
    for total in (*range(1, 41), 100):
        used = rates(schedule, total, warmup=warmup)
        assert all(0 <= rate <= 1 + 1e-9 for rate in used), (total, used)
        assert max(used) > 0


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.floats(0, 1), st.floats(0, 1))
def test_cosine_is_never_negative_nor_above_the_rate(total: int, warmup: float, final: float) -> None:
    assert all(0 <= rate <= 2.0 for rate in rates(schedules.cosine, total, lr=2.0, warmup=warmup, final=final))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.floats(0, 1), st.floats(1, 1e3), st.floats(1, 1e6))
def test_one_cycle_is_never_negative_nor_above_the_rate(total: int, warmup: float, start: float, end: float) -> None:
    used = rates(schedules.one_cycle, total, lr=2.0, warmup=warmup, start=start, end=end)
    assert all(0 <= rate <= 2.0 + 1e-9 for rate in used)
