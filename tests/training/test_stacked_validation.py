"""Models that are validated at once against each of them alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from dltrain.data.loader import TensorLoader
from dltrain.experiment.build import build_task
from dltrain.models.mlp import MLP
from dltrain.tasks.losses import CrossEntropy, MeanSquaredError
from dltrain.tasks.metrics import Metric
from dltrain.tasks.task import Task
from dltrain.training import stacked_validation
from dltrain.training.loop import Learner
from dltrain.training.settings import TrainerSettings
from dltrain.training.stack import Stack
from dltrain.training.stacked_validation import StackedValidation, sums_one_by_one, vectorized_sums
from dltrain.training.state import TrainState
from dltrain.types import Facts, Spec, Split

CPU = torch.device("cpu")
CLASSES = Facts("table", "classification", (4,), classes=("a", "b", "c"), class_counts=(50, 30, 20))
NUMBERS = Facts("table", "regression", (4,), outputs=("y",), target_mean=(3.0,), target_std=(2.0,))


def drawn(rows: int, seed: int, *, classes: bool, weighted: bool = False) -> Split:
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed))
    target = (x[:, 0] > 0).long() + (x[:, 1] > 1).long() if classes else x[:, :1].double() + 3
    split = Split((x,), target, ("",) * rows)
    return replace(split, weight=torch.rand(rows)) if weighted else split


def learners(task: Task, splits: Sequence[Split]) -> list[Learner]:
    built = []
    for seed, split in enumerate(splits):
        torch.manual_seed(seed)
        model = MLP(Spec("table", (4,), task.loss.out_features), hidden=(8,), dropout=0.3, embed=None)
        state = TrainState(model, torch.optim.AdamW(model.parameters()), None, torch.amp.GradScaler(enabled=False))
        built.append(Learner(state, task, TensorLoader(split, 25, CPU), TrainerSettings(epochs=1)))
    return built


def assert_alike(stack: Stack, validation: StackedValidation) -> None:
    for measured, learner in zip(validation.metrics(stack.weights, stack.buffers), stack.learners, strict=True):
        alone = learner.validate()
        assert measured.keys() == alone.keys()
        for name, value in alone.items():
            assert measured[name] == pytest.approx(value, rel=1e-5), name


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [False, True])
def test_metrics_at_once_are_those_of_each_model_alone(classes: bool, weighted: bool) -> None:
    facts, loss = (CLASSES, CrossEntropy) if classes else (NUMBERS, MeanSquaredError)
    split = drawn(60, 1, classes=classes, weighted=weighted)
    stack = Stack(learners(build_task(facts, loss(facts)), [split] * 4), lambda _: None)
    validation = StackedValidation(stack.model, stack.learners)
    assert_alike(stack, validation)
    assert validation.sums_of == [vectorized_sums]


def test_models_with_splits_of_their_own_are_validated_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacked_validation, "AT_ONCE", 14)  # batches are divided
    monkeypatch.setattr(stacked_validation, "FEWEST", 7)
    first, second = drawn(60, 1, classes=True), drawn(31, 2, classes=True)
    stack = Stack(learners(build_task(CLASSES, CrossEntropy(CLASSES)), [first, second, first]), lambda _: None)
    validation = StackedValidation(stack.model, stack.learners)
    assert [group.places for group in validation.groups] == [(0, 2), (1,)]
    assert_alike(stack, validation)


def test_a_metric_that_cannot_be_vectorised_is_computed_model_by_model() -> None:
    def update(predicted: Tensor, target: Tensor) -> Tensor:
        return torch.tensor([float((predicted == target).sum().item()), float(len(target))], dtype=torch.float64)

    own = Metric(update, lambda sums: {"hits": float(sums[0] / sums[1])}, ("hits",))
    split = drawn(60, 1, classes=True)
    stack = Stack(learners(build_task(CLASSES, CrossEntropy(CLASSES), [own]), [split] * 3), lambda _: None)
    validation = StackedValidation(stack.model, stack.learners)
    assert_alike(stack, validation)
    assert validation.sums_of == [sums_one_by_one]


def test_a_model_that_diverged_has_no_metrics_and_changes_no_others() -> None:
    split = drawn(60, 1, classes=True)
    stack = Stack(learners(build_task(CLASSES, CrossEntropy(CLASSES)), [split] * 3), lambda _: None)
    with torch.no_grad():
        next(iter(stack.weights.values()))[1] = math.nan
    measured = StackedValidation(stack.model, stack.learners).metrics(stack.weights, stack.buffers, {1})
    assert measured[1] == {}
    assert measured[2]["loss"] == pytest.approx(stack.learners[2].validate()["loss"], rel=1e-5)


def test_models_that_cannot_be_validated_at_once_are_validated_alone() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            output = self.layer(x)
            if self.training:
                return output
            return output if bool(output.sum() > 0) else 2 * output

    task, split = build_task(CLASSES, CrossEntropy(CLASSES)), drawn(60, 1, classes=True)
    members = []
    for one in learners(task, [split] * 2):
        model = Branching()
        state = replace(one.state, model=model, optimizer=torch.optim.AdamW(model.parameters()))
        members.append(replace(one, state=state))
    stack = Stack(members, lambda _: None)
    expected = [member.validate() for member in members]
    assert stack._validate() == expected
    assert stack.validates_alone
