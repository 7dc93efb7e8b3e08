"""Importance: what a model does not use is worth nothing, and a column's inputs go together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dltrain.experiment.build import build_loss, build_task
from dltrain.explain import importance
from dltrain.explain.importance import permutation_importance
from dltrain.types import Facts

NUMBERS = Facts(kind="table", task="regression", input_shape=(3,), features=("a", "b", "c"))
ONE_EACH = {"a": [0], "b": [1], "c": [2]}


def linear(*weights: float) -> nn.Module:
    model = nn.Linear(len(weights), 1, bias=False)
    model.weight.data = torch.tensor([weights])
    return model


def test_a_column_costs_what_the_model_makes_of_it() -> None:
    x = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    model, task = linear(3.0, 0.0, 1.0), build_task(NUMBERS, build_loss({}, NUMBERS))
    found = permutation_importance(model, task, (x,), x @ torch.tensor([[3.0], [0.0], [1.0]]), ONE_EACH, 60)
    assert [one.name for one in found] == ["a", "c", "b"]
    # The difference of two independent values of variance 1 has the variance 2, and the RMSE was 0.
    assert [one.drop for one in found] == pytest.approx([3 * 2**0.5, 2**0.5, 0.0], rel=0.05, abs=1e-6)
    assert found[0].spread > 0 == found[2].spread


def test_inputs_of_one_column_are_shuffled_together() -> None:
    class OneHot(nn.Module):
        """Right where exactly one of the first two inputs is 1, however the third is."""

        def __init__(self) -> None:
            super().__init__()
            self.anchor = nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            return (x[:, :2].sum(dim=1, keepdim=True) == 1).float() + self.anchor

    x = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]] * 50)
    task = build_task(NUMBERS, build_loss({}, NUMBERS))
    together = permutation_importance(OneHot(), task, (x,), torch.ones(100, 1), {"ab": [0, 1], "c": [2]}, 60)
    assert [one.drop for one in together] == [0, 0]
    apart = permutation_importance(OneHot(), task, (x,), torch.ones(100, 1), ONE_EACH, 60)
    assert apart[0].drop > 0.5


def test_accuracy_drops_where_a_class_is_shuffled_away() -> None:
    facts = Facts(kind="table", task="classification", input_shape=(2,), classes=("no", "yes"))
    model = nn.Linear(2, 2, bias=False)
    model.weight.data = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    x = torch.tensor([[1.0, 1.0], [-1.0, 1.0]]).repeat(500, 1)
    task = build_task(facts, build_loss({}, facts))
    (first, second) = permutation_importance(model, task, (x,), (x[:, 0] > 0).long(), {"a": [0], "b": [1]}, 60)
    assert first.drop == pytest.approx(0.5, abs=0.05)
    assert second.drop == 0


def test_numbers_of_different_units_are_weighed_alike() -> None:
    facts = Facts(kind="table", task="regression", input_shape=(2,), outputs=("tonnes", "grams"))
    model = nn.Linear(2, 2, bias=False)
    model.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1e6]])
    x = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    target = x * torch.tensor([1.0, 1e6])
    found = permutation_importance(
        model, build_task(facts, build_loss({}, facts)), (x,), target, {"a": [0], "b": [1]}, 60
    )
    # R² of one output falls from 1 to about -1, so the mean falls by 1.
    assert [one.drop for one in found] == pytest.approx([1, 1], abs=0.1)


def test_of_a_wide_table_the_columns_that_are_felt_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance, "MAX_COLUMNS", 1)
    x = torch.randn(50, 3)
    task = build_task(NUMBERS, build_loss({}, NUMBERS))
    found = permutation_importance(linear(0.1, 0.0, -5.0), task, (x,), torch.zeros(50, 1), ONE_EACH, 60)
    assert [one.name for one in found] == ["c"]


def test_time_that_is_over_leaves_columns_out() -> None:
    task = build_task(NUMBERS, build_loss({}, NUMBERS))
    assert (
        permutation_importance(linear(1.0, 1.0, 1.0), task, (torch.randn(9, 3),), torch.zeros(9, 1), ONE_EACH, 0) == []
    )


def test_random_numbers_of_others_stay_as_they_were() -> None:
    model, task = linear(1.0, 1.0, 1.0), build_task(NUMBERS, build_loss({}, NUMBERS))
    before = torch.get_rng_state()
    permutation_importance(model, task, (torch.zeros(9, 3),), torch.zeros(9, 1), ONE_EACH, 60)
    assert torch.equal(before, torch.get_rng_state())
