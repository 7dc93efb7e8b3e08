"""Forecasts relative to the window's own last value and spread."""

from __future__ import annotations

import torch
from torch import nn

from dltrain.kinds.series.window_scale import LEAST_SPREAD, WindowScaled
from dltrain.models.linear import Linear
from dltrain.types import Spec

SPEC = Spec("series", (6, 2), 8)


def test_shifting_and_stretching_a_window_does_so_to_its_forecast() -> None:
    torch.manual_seed(0)
    model = WindowScaled(Linear(SPEC))
    window = 100 * torch.randn(3, 6, 2)  # so wide that the least spread counts for nothing
    moved = window * torch.tensor([3.0, 0.5]) + torch.tensor([1000.0, -7.0])
    wanted = model(window).view(3, 4, 2) * torch.tensor([3.0, 0.5]) + torch.tensor([1000.0, -7.0])
    torch.testing.assert_close(model(moved).view(3, 4, 2), wanted, rtol=1e-3, atol=0.05)


def test_the_model_inside_sees_each_column_on_its_own_scale() -> None:
    class Seen(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.x = x
            return torch.zeros(len(x), 8)

    inner = Seen()
    window = torch.randn(5, 6, 2)
    said = WindowScaled(inner)(window)
    spread = window.std(dim=1, keepdim=True, correction=0) + LEAST_SPREAD
    torch.testing.assert_close(inner.x, (window - window[:, -1:]) / spread)
    torch.testing.assert_close(said, window[:, -1].repeat(1, 4))  # nothing more than the last value, at every step


def test_a_still_window_is_forecast_to_stay_near_itself() -> None:
    model = WindowScaled(Linear(SPEC))
    assert (model(torch.full((1, 6, 2), 7.0)) - 7).abs().max() < 10 * LEAST_SPREAD


def test_what_must_not_decay_is_named_from_outside() -> None:
    inner = Linear(SPEC)
    inner.no_decay = frozenset({"linear.bias"})  # type: ignore[assignment]
    assert WindowScaled(inner).no_decay <= {name for name, _ in WindowScaled(inner).named_parameters()}
