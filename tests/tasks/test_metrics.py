"""Metrics against scikit-learn's, over whole and ragged batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from torch import Tensor

from dltrain.tasks.metric_table import METRICS
from dltrain.tasks.metrics import (
    Metric,
    class_counts,
    class_scores,
    joined,
    label_counts,
    label_roc_auc,
    regression_errors,
    roc_auc,
)
from dltrain.types import MISSING_LABEL, Facts

RAGGED = (1, 7, 2, 30)


def over_batches(metric: Metric, predicted: Tensor, target: Tensor, sizes: Sequence[int]) -> dict[str, float]:
    """The metric over batches of these sizes, the last of what remains."""
    rest = len(target) - sum(sizes)
    pairs = zip(predicted.split([*sizes, rest]), target.split([*sizes, rest]), strict=True)
    return metric.compute(sum((metric.update(p, t) for p, t in pairs), torch.zeros(())))


def sklearn_scores(predicted: Tensor, target: Tensor, class_count: int) -> dict[str, float]:
    average = "binary" if class_count == 2 else "macro"
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        target.numpy(), predicted.numpy(), average=average, zero_division=0
    )
    accuracy = sk.accuracy_score(target.numpy(), predicted.numpy())
    return {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1}


@pytest.mark.parametrize("class_count", [2, 3, 10])
@pytest.mark.parametrize("seed", range(3))
def test_classification_scores_equal_scikit_learns(class_count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(class_count, (200,), generator=generator)
    predicted = torch.where(
        torch.rand(200, generator=generator) < 0.6, target, torch.randint(class_count, (200,), generator=generator)
    )
    expected = pytest.approx(sklearn_scores(predicted, target, class_count), abs=1e-12)
    assert over_batches(class_counts(class_count), predicted, target, ()) == expected
    assert over_batches(class_counts(class_count), predicted, target, RAGGED) == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 5), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_classification_scores_equal_scikit_learns_where_classes_are_absent(
    class_count: int, pairs: list[tuple[int, int]]
) -> None:
    predicted, target = torch.tensor(pairs).remainder(class_count).unbind(1)
    scores = over_batches(class_counts(class_count), predicted, target, ())
    if class_count == 2:
        expected = {
            name: getattr(sk, f"{name}_score")(target, predicted, pos_label=1, zero_division=0)
            for name in ("precision", "recall", "f1")
        } | {"accuracy": sk.accuracy_score(target, predicted)}
    else:
        expected = sklearn_scores(predicted, target, class_count)
    assert scores == pytest.approx(expected, abs=1e-12)


def test_classes_are_counted_by_what_is_right_predicted_and_true() -> None:
    predicted, target = torch.tensor([0, 2, 2, 1, 0]), torch.tensor([0, 0, 2, 1, 0])
    counts = class_counts(3).update(predicted, target)
    assert counts.dtype == torch.float64
    matrix = sk.confusion_matrix(target, predicted)
    np.testing.assert_array_equal(counts, [matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)])


def test_the_sums_of_many_classes_are_no_matrix() -> None:
    predicted = torch.tensor([99_999, 5])
    assert class_counts(100_000).update(predicted, predicted).numel() == 300_000


def test_scores_of_each_class_equal_scikit_learns() -> None:
    target = torch.tensor([0, 0, 1, 1, 2, 2, 2, 0])
    predicted = torch.tensor([0, 1, 1, 1, 2, 0, 1, 0])
    scores = class_scores(class_counts(4).update(predicted, target))  # class 3 never occurs
    expected = sk.precision_recall_fscore_support(target, predicted, labels=range(4), zero_division=0)
    for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
        np.testing.assert_allclose(scores[name], values, atol=1e-12)


@pytest.mark.parametrize("mean", [0.0, 100.0, -1e5])
@pytest.mark.parametrize("reference", ["none", "near"])
def test_regression_errors_equal_scikit_learns(mean: float, reference: str) -> None:
    generator = torch.Generator().manual_seed(1)
    target = torch.randn(300, 1, generator=generator, dtype=torch.float64) * 20 + mean
    predicted = target + torch.randn(300, 1, generator=generator, dtype=torch.float64) * 5
    metric = regression_errors(mean + 1 if reference == "near" else 0.0)
    expected = {
        "mse": sk.mean_squared_error(target, predicted),
        "rmse": sk.root_mean_squared_error(target, predicted),
        "mae": sk.mean_absolute_error(target, predicted),
        "r2": sk.r2_score(target, predicted),
    }
    assert over_batches(metric, predicted, target, ()) == pytest.approx(expected, rel=1e-7)
    assert over_batches(metric, predicted, target, RAGGED) == pytest.approx(expected, rel=1e-7)


def test_r2_survives_a_huge_mean_and_a_tiny_spread() -> None:
    generator = torch.Generator().manual_seed(2)
    target = 1e9 + 1e-3 * torch.randn(500, 1, generator=generator, dtype=torch.float64)
    predicted = target + 2e-4 * torch.randn(500, 1, generator=generator, dtype=torch.float64)
    scores = over_batches(regression_errors(1e9), predicted, target, RAGGED)
    assert scores["r2"] == pytest.approx(sk.r2_score(target - 1e9, predicted - 1e9), abs=1e-6)


def test_r2_without_a_reference_survives_a_mean_of_a_hundred_thousand_spreads() -> None:
    target = 1e8 + 1e3 * torch.randn(500, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    scores = over_batches(regression_errors(), target + 300, target, RAGGED)
    assert scores["r2"] == pytest.approx(sk.r2_score(target, target + 300), abs=1e-4)


@pytest.mark.parametrize("constant", [0.0, 0.1, 3.7, 1e8 + 0.1, -5e-9])
@pytest.mark.parametrize("error", [0.0, 0.25])
@pytest.mark.parametrize("reference", [0.0, 3.7])
def test_r2_of_a_constant_target_is_1_if_it_is_met_and_else_0(constant: float, error: float, reference: float) -> None:
    target = torch.full((64, 1), constant, dtype=torch.float64)
    r2 = over_batches(regression_errors(reference), target + error, target, RAGGED)["r2"]
    assert r2 == (0.0 if error else 1.0)  # as scikit-learn has it, where the mean is exact


def test_errors_are_summed_in_float64() -> None:
    target = torch.full((100_000, 1), 16_777_216.0)  # 2**24, where float32 has no more odd numbers
    scores = regression_errors().compute(regression_errors().update(target + 2, target))
    assert scores["mae"] == 2.0
    assert scores["mse"] == 4.0


@pytest.mark.parametrize("class_count", [2, 3, 5])
def test_roc_auc_equals_scikit_learns(class_count: int) -> None:
    generator = torch.Generator().manual_seed(class_count)
    target = torch.randint(class_count, (150,), generator=generator)
    probabilities = torch.randn(150, class_count, generator=generator).softmax(dim=1)
    probabilities[:20] = probabilities[0]  # ties
    areas = [sk.roc_auc_score(target == k, probabilities[:, k]) for k in range(class_count)]
    assert roc_auc(probabilities, target) == pytest.approx(areas[1] if class_count == 2 else np.mean(areas), abs=1e-12)


def test_roc_auc_is_undefined_without_every_class_or_with_scores_that_are_not_finite() -> None:
    probabilities = torch.full((4, 3), 1 / 3)
    assert roc_auc(probabilities, torch.tensor([0, 1, 1, 0])) is None
    assert roc_auc(probabilities[:, :2] * 1.5, torch.tensor([1, 1, 1, 1])) is None
    probabilities[2, 1] = torch.nan
    assert roc_auc(probabilities, torch.tensor([0, 1, 2, 0])) is None


def test_every_metric_says_whether_more_is_better() -> None:
    from dltrain.tasks.classification import Classification
    from dltrain.tasks.losses import BinaryCrossEntropy, CrossEntropy, MeanSquaredError
    from dltrain.tasks.multilabel import Multilabel
    from dltrain.tasks.regression import Regression
    from dltrain.tasks.task import Task

    facts = Facts("table", "classification", (2,), classes=("a", "b"))
    labels = Facts("table", "multilabel", (2,), outputs=("a",))
    one_hot = BinaryCrossEntropy(labels)
    tasks: list[Task] = [Classification(facts, CrossEntropy(facts)), Regression(facts, MeanSquaredError(facts))]
    for task in (*tasks, Multilabel(labels, one_hot)):
        shape = (2,) if isinstance(task, Classification) else (2, 1)
        sums = task.metric.update(torch.tensor([0, 1]).view(shape), torch.tensor([0, 1]).view(shape))
        assert tuple(task.metric.compute(sums)) == task.metric_names
        assert set(task.metric_names) <= set(METRICS)


def test_labels_are_measured_as_scikit_learn_does() -> None:
    from sklearn import metrics as sklearn_metrics

    generator = torch.Generator().manual_seed(4)
    target = (torch.rand(90, 4, generator=generator) < 0.3).long()
    scores = torch.rand(90, 4, generator=generator)
    predicted = (scores > 0.5).long()
    metric = label_counts(4)
    sums = sum(metric.update(p, t) for p, t in zip(predicted.split(40), target.split(40), strict=True))
    assert isinstance(sums, torch.Tensor)
    y, said = target.numpy(), predicted.numpy()
    assert metric.compute(sums) == pytest.approx(
        {
            "accuracy": sklearn_metrics.accuracy_score(y, said),
            "precision": sklearn_metrics.precision_score(y, said, average="macro"),
            "recall": sklearn_metrics.recall_score(y, said, average="macro"),
            "f1": sklearn_metrics.f1_score(y, said, average="macro"),
            "hamming_loss": sklearn_metrics.hamming_loss(y, said),
        }
    )
    assert label_roc_auc(scores, target) == pytest.approx(sklearn_metrics.roc_auc_score(y, scores.numpy()))
    assert label_roc_auc(scores, torch.zeros_like(target)) is None


def test_errors_of_several_outputs_are_means_over_the_outputs_as_in_scikit_learn() -> None:
    from sklearn import metrics as sklearn_metrics

    generator = torch.Generator().manual_seed(5)
    target = torch.randn(50, 3, generator=generator) * torch.tensor([1.0, 100.0, 0.01]) + 5
    predicted = target + torch.randn(50, 3, generator=generator)
    metric = regression_errors((5.0, 4.0, 6.0))
    found = metric.compute(metric.update(predicted[:20], target[:20]) + metric.update(predicted[20:], target[20:]))
    y, said = target.numpy(), predicted.numpy()
    assert found == pytest.approx(
        {
            "mse": sklearn_metrics.mean_squared_error(y, said),
            "rmse": sklearn_metrics.root_mean_squared_error(y, said),
            "mae": sklearn_metrics.mean_absolute_error(y, said),
            "r2": sklearn_metrics.r2_score(y, said),
        },
        rel=1e-4,
    )


def copies_of(rows: int) -> Tensor:
    return torch.randint(0, 4, (rows,), generator=torch.Generator().manual_seed(3))


def weighted_over_batches(metric: Metric, predicted: Tensor, target: Tensor, weights: Tensor) -> dict[str, float]:
    """The metric of weighted samples over ragged batches."""
    sizes = [*RAGGED, len(target) - sum(RAGGED)]
    parts = zip(*(tensor.split(sizes) for tensor in (predicted, target, weights)), strict=True)
    return metric.compute(sum((metric.sums_of(*part) for part in parts), torch.zeros(())))


@pytest.mark.parametrize("form", ["two", "four", "labels", "numbers"])
def test_a_weight_is_as_many_copies_of_a_sample(form: str) -> None:
    generator, rows = torch.Generator().manual_seed(6), 60
    copies = copies_of(rows)
    shape = {"labels": (rows, 3), "numbers": (rows, 1)}.get(form, (rows,))
    count = 4 if form == "four" else 2
    target, predicted = (torch.randint(0, count, shape, generator=generator) for _ in range(2))
    metric = {"labels": label_counts(3), "numbers": regression_errors(0.4)}.get(form, class_counts(count))
    weights = copies.float() if target.dim() == 1 else copies[:, None].float().expand(shape)
    repeated = metric.compute(
        metric.update(predicted.repeat_interleave(copies, 0), target.repeat_interleave(copies, 0))
    )
    assert weighted_over_batches(metric, predicted, target, weights) == pytest.approx(repeated, rel=1e-12)
    assert weighted_over_batches(metric, predicted, target, weights / 64) == pytest.approx(repeated, rel=1e-12)


@pytest.mark.parametrize("class_count", [2, 4])
def test_the_area_under_the_curve_is_weighted(class_count: int) -> None:
    generator, rows = torch.Generator().manual_seed(6), 60
    target, copies = torch.randint(0, class_count, (rows,), generator=generator), copies_of(rows)
    scores = torch.rand(rows, class_count, generator=generator).softmax(dim=1)
    found = roc_auc(scores, target, copies.float())
    repeated = roc_auc(scores.repeat_interleave(copies, 0), target.repeat_interleave(copies, 0))
    assert found == pytest.approx(repeated)
    assert found != pytest.approx(roc_auc(scores, target))


@pytest.mark.parametrize("last", [0.3, 0.0])
def test_each_of_several_labels_is_measured_where_it_is_known(last: float) -> None:
    generator = torch.Generator().manual_seed(5)
    target = torch.randint(0, 2, (80, 3), generator=generator)
    scores = torch.rand(80, 3, generator=generator)
    weights = (torch.rand(80, 3, generator=generator) < torch.tensor([0.9, 0.5, last])).float()
    known = 3 if last else 2
    target[weights == 0], predicted = MISSING_LABEL, (scores > 0.5).long()
    kept = weights.amax(dim=1) > 0  # as `Split` has them
    target, predicted, scores, weights = target[kept], predicted[kept], scores[kept], weights[kept]
    found = weighted_over_batches(label_counts(3), predicted, target, weights)
    columns = [(target[weights[:, k] > 0, k].numpy(), predicted[weights[:, k] > 0, k].numpy()) for k in range(known)]
    assert found["f1"] == pytest.approx(np.mean([sk.f1_score(*pair) for pair in columns]))
    assert found["precision"] == pytest.approx(np.mean([sk.precision_score(*pair) for pair in columns]))
    wrong = (predicted != target) & (weights > 0)
    assert found["accuracy"] == pytest.approx(float((~wrong.any(dim=1)).double().mean()))
    assert found["hamming_loss"] == pytest.approx(float(wrong.sum() / weights.sum()))
    areas = [
        sk.roc_auc_score(target[weights[:, k] > 0, k].numpy(), scores[weights[:, k] > 0, k].numpy())
        for k in range(known)
    ]
    assert label_roc_auc(scores, target, weights) == pytest.approx(np.mean(areas))


def test_each_of_several_numbers_is_measured_where_it_is_known() -> None:
    generator = torch.Generator().manual_seed(5)
    target = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    predicted = target + torch.randn(60, 3, generator=generator, dtype=torch.float64)
    known = torch.rand(60, 3, generator=generator) < torch.tensor([0.9, 0.3, 0.0])
    target[~known] = torch.nan
    found = weighted_over_batches(regression_errors((0.1, 0.2, 0.3)), predicted, target, known.float())
    pairs = [(target[known[:, k], k].numpy(), predicted[known[:, k], k].numpy()) for k in (0, 1)]
    assert found["rmse"] == pytest.approx(np.mean([sk.root_mean_squared_error(*pair) for pair in pairs]))
    assert found["mae"] == pytest.approx(np.mean([sk.mean_absolute_error(*pair) for pair in pairs]))
    assert found["r2"] == pytest.approx(np.mean([sk.r2_score(*pair) for pair in pairs]))


def test_a_metric_of_ones_own_that_takes_no_weights_sees_each_whole_sample_once() -> None:
    def update(predicted: Tensor, target: Tensor) -> Tensor:
        return torch.stack([(predicted - target).abs().sum().double(), torch.tensor(float(len(target))).double()])

    own = Metric(update, lambda sums: {"own": float(sums[0] / sums[1])}, ("own",))
    target = torch.tensor([[1.0, 2.0], [torch.nan, 4.0], [5.0, 6.0]])
    both = joined([regression_errors(), own])
    found = both.compute(both.sums_of(torch.zeros(3, 2), target, 7.0 * (~target.isnan()).float()))
    assert found["own"] == 7  # of 1 + 2 and 5 + 6
    assert found["mae"] == (3 + 4) / 2
