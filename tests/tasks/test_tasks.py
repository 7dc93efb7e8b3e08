"""Tasks: outputs to losses, predictions and metrics in the target's own unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dltrain.data.loader import TensorLoader
from dltrain.errors import ConfigError
from dltrain.experiment.build import build_loss, build_task
from dltrain.storage import write_csv
from dltrain.tasks import classification, temperature
from dltrain.tasks.classification import Classification
from dltrain.tasks.evaluation import EvaluationSet
from dltrain.tasks.losses import BinaryCrossEntropy, CrossEntropy, MeanSquaredError
from dltrain.tasks.pages import classes as class_pages
from dltrain.tasks.predicted import read_predicted
from dltrain.tasks.predictions import Predictions, join
from dltrain.tasks.registry import page_of
from dltrain.tasks.regression import Regression
from dltrain.types import Facts, Split


def classes(count: int) -> Facts:
    return Facts("table", "classification", (3,), classes=tuple("abcd"[:count]), class_counts=(1,) * count)


def marks(mean: float = 50.0, std: float = 20.0) -> Facts:
    return Facts("table", "regression", (3,), target_mean=mean, target_std=std)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_the_task_follows_the_facts() -> None:
    assert isinstance(build_task(classes(3), build_loss({}, classes(3))), Classification)
    assert isinstance(build_task(marks(), build_loss({}, marks())), Regression)


@pytest.mark.parametrize(
    ("facts", "loss"), [(marks(), CrossEntropy(classes(3))), (classes(2), MeanSquaredError(marks()))]
)
def test_a_loss_of_another_task_is_refused(facts: Facts, loss: CrossEntropy | MeanSquaredError) -> None:
    with pytest.raises(
        ConfigError, match=f"this loss is for {' or '.join(loss.tasks)}, and the data is for {facts.task}"
    ) as refused:
        build_task(facts, loss)
    assert refused.value.override == "loss=auto"


def test_the_most_probable_class_is_predicted() -> None:
    output = random(20, 3)
    said = build_task(classes(3), CrossEntropy(classes(3))).predict(output)
    assert torch.equal(said.values, output.argmax(dim=1))
    torch.testing.assert_close(said.probabilities, output.softmax(dim=1))


def test_one_output_for_two_classes_is_read_as_the_second_ones() -> None:
    task = build_task(classes(2), BinaryCrossEntropy(classes(2)))
    output = torch.tensor([[-2.0], [3.0], [0.5], [-0.1]])
    said = task.predict(output)
    assert said.values.tolist() == [0, 1, 1, 0]
    assert said.values.dtype == torch.int64
    torch.testing.assert_close(said.probabilities, torch.cat([1 - output.sigmoid(), output.sigmoid()], dim=1))


def test_two_outputs_for_two_classes_are_as_good() -> None:
    task = build_task(classes(2), CrossEntropy(classes(2)))
    assert task.decode(torch.tensor([[1.0, 2.0], [3.0, 0.0]])).tolist() == [1, 0]


def test_the_loss_sees_the_target_scaled_and_predictions_are_in_its_own_unit() -> None:
    task = build_task(marks(), MeanSquaredError(marks()))
    output, target = random(12, 1), 50 + 20 * random(12, 1).flip(0)
    torch.testing.assert_close(task.objective(output, target), functional.mse_loss(output, (target - 50) / 20))
    torch.testing.assert_close(task.predict(output).values, output.double() * 20 + 50)
    scores = task.metric.compute(task.metric.update(task.decode(output), target))
    assert scores["mse"] == pytest.approx(float((output * 20 + 50 - target).square().mean()), rel=1e-5)
    assert scores["rmse"] == pytest.approx(20 * float(task.objective(output, target)) ** 0.5, rel=1e-5)


def test_a_target_that_is_not_scaled_reaches_the_loss_as_it_is() -> None:
    facts = marks(0.0, 1.0)
    task = build_task(facts, MeanSquaredError(facts))
    output, target = random(12, 1), random(12, 1).flip(0)
    assert torch.equal(task.objective(output, target), functional.mse_loss(output, target))
    assert torch.equal(task.decode(output), output)


def test_points_of_a_bfloat16_output_keep_the_targets_precision() -> None:
    facts = marks(mean=1000.0, std=1.0)
    output = torch.tensor([[0.5], [-0.25]], dtype=torch.bfloat16)
    assert build_task(facts, MeanSquaredError(facts)).decode(output).flatten().tolist() == [1000.5, 999.75]


def test_the_area_under_the_curve_is_left_out_where_it_is_undefined() -> None:
    task = build_task(classes(2), CrossEntropy(classes(2)))
    said = task.predict(torch.tensor([[2.0, 0.0], [0.0, 2.0]]))
    assert task.epoch_metrics(said, torch.tensor([0, 1])) == {"roc_auc": 1.0}
    assert task.epoch_metrics(said, torch.tensor([1, 0])) == {"roc_auc": 0.0}
    assert task.epoch_metrics(said, torch.tensor([1, 1])) == {}
    assert build_task(marks(), MeanSquaredError(marks())).epoch_metrics(said, torch.zeros(2, 1)) == {}


def test_predictions_of_batches_join_in_order() -> None:
    output = random(11, 3)
    task = build_task(classes(3), CrossEntropy(classes(3)))
    joined, whole = join([task.predict(part) for part in output.split(4)]), task.predict(output)
    assert torch.equal(joined.values, whole.values)
    assert joined.probabilities is not None
    torch.testing.assert_close(joined.probabilities, whole.probabilities)
    assert join([Predictions(torch.ones(2, 1)), Predictions(torch.zeros(1, 1))]).probabilities is None


def test_of_very_many_classes_a_row_has_the_score_of_the_predicted_one_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(classification, "MOST_SCORES", 2)
    task = build_task(classes(3), CrossEntropy(classes(3)))
    said, target = task.predict(random(20, 3)), torch.arange(20) % 3
    write_csv(tmp_path / "predictions.csv", *task.table(Split((), target, tuple(map(str, range(20)))), said))
    read = read_predicted(tmp_path / "predictions.csv", scores=3, read="abc".index, dtype=np.int64)
    assert read is not None and read.scores.shape == (20, 1)
    assert read.true.tolist() == target.tolist() and read.predicted.tolist() == said.values.tolist()
    assert said.probabilities is not None
    np.testing.assert_allclose(read.scores[:, 0], said.probabilities.amax(dim=1), rtol=1e-5)
    assert not [*page_of(classes(3)).omissions()]
    monkeypatch.setattr(class_pages, "MOST_SCORES", 2)
    (sentence,) = page_of(classes(3)).omissions()
    assert "predictions.csv has the score of the predicted one alone" in sentence


@pytest.mark.parametrize("samples", [200, 5000])
def test_a_temperature_is_fitted_to_as_many_samples_as_tell_it(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temperature, "MOST_NUMBERS", 3 * 1500)
    target = torch.arange(samples) % 3
    outputs = 4 * random(samples, 3) + 3 * functional.one_hot(target, 3)
    found = temperature.fit_temperature(outputs, target, lambda some: some.softmax(dim=1))
    assert 2 < found < 6


def test_scores_of_many_classes_are_kept_of_held_out_samples_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classification, "MANY", 2)
    task, model = build_task(classes(3), CrossEntropy(classes(3))), torch.nn.Linear(3, 3)
    split = Split((random(30, 3),), torch.arange(30) % 3, tuple(map(str, range(30))))
    loader = TensorLoader(split, 8, torch.device("cpu"))
    metrics, said = task.evaluate(model, EvaluationSet(loader, split, {}, thorough=False))
    assert said.probabilities is None and said.outputs is None and "roc_auc" not in metrics
    every, full = task.evaluate(model, EvaluationSet(loader, split, {}))
    assert full.probabilities is not None and "roc_auc" in every
    assert torch.equal(said.values, full.values) and metrics.items() <= every.items()
