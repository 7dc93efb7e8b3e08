"""`trainer.precision=auto` takes bfloat16 or TF32 where it is fast and agrees, and the run remembers which."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import yaml
from torch import nn

from dltrain.data.loader import TensorLoader
from dltrain.tasks.losses import MeanSquaredError
from dltrain.tasks.precision import autocast, backward_pass
from dltrain.tasks.regression import Regression
from dltrain.training import precision_choice
from dltrain.training.precision_choice import WORTH, choose_precision
from dltrain.types import Facts, Split

CPU = torch.device("cpu")


def choice(model: nn.Module, multiplications: int) -> tuple[str, str]:
    facts = Facts("table", "regression", (4,), target_mean=(0.0,), target_std=(1.0,))
    x = torch.rand(64, 4, generator=torch.Generator().manual_seed(0)) + 1
    split = Split((x,), x.sum(dim=1, keepdim=True), tuple(map(str, range(64))))
    task = Regression(facts, MeanSquaredError(facts))
    return choose_precision(model, task, TensorLoader(split, 32, CPU), CPU, multiplications)


class Difference(nn.Module):
    """Subtracts two products that are nearly the same, of which bfloat16 leaves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(4, 1, bias=False), nn.Linear(4, 1, bias=False)
        self.other.weight.data = self.one.weight.data * (1 + 1e-4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 1e5 * (self.other(x) - self.one(x))


def test_bfloat16_is_chosen_where_it_is_fast_and_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    monkeypatch.setattr(precision_choice, "multiplies_bfloat16", lambda device: True)
    assert choice(model, WORTH)[0] == "bfloat16"
    precision, reason = choice(model, WORTH // 10)
    assert (precision, "too small" in reason) == ("float32", True)
    precision, reason = choice(Difference(), WORTH)
    assert (precision, "the loss of a batch is" in reason) == ("float32", True)
    monkeypatch.setattr(precision_choice, "multiplies_bfloat16", lambda device: False)
    precision, reason = choice(model, WORTH)
    assert (precision, "does not multiply" in reason) == ("float32", True)


def test_tf32_is_chosen_where_bfloat16_disagrees(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    for name in ("multiplies_bfloat16", "multiplies_tf32"):
        monkeypatch.setattr(precision_choice, name, lambda device: True)
    assert choice(Difference(), WORTH)[0] == "tf32"  # which a CPU computes in float32
    assert choice(nn.Linear(4, 1), WORTH)[0] == "bfloat16"


def test_matrices_are_multiplied_in_tf32_inside_the_passes_alone() -> None:
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    for passes in (autocast("tf32", CPU), backward_pass("tf32")):
        with passes:
            assert products.fp32_precision == "tf32"
        assert products.fp32_precision == before
    for passes in (autocast("float32", CPU), backward_pass("float32"), backward_pass("bfloat16")):
        with passes:
            assert products.fp32_precision == before


def test_a_run_keeps_the_precision_that_was_chosen(dltrain: Callable) -> None:
    called = dltrain("data=iris", "trainer.epochs=1", "trainer.precision=auto", "baseline=none")
    assert called.code == 0, called.err
    assert "numbers float32, because" in called.out
    assert yaml.safe_load(called.run.config.read_text("utf-8"))["trainer"]["precision"] == "float32"
