"""Losses against torch's own and against hand computations, and their means over ragged batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.nn import functional

from dltrain.errors import ConfigError
from dltrain.experiment.build import build_loss
from dltrain.tasks.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Focal,
    Hinge,
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Quantile,
)
from dltrain.types import Facts

COUNTS = (40, 25, 10, 5)
CLASSIFIERS: list[tuple[type[Loss], dict[str, Any]]] = [
    (CrossEntropy, {}),
    (CrossEntropy, {"label_smoothing": 0.1}),
    (Focal, {}),
    (Focal, {"gamma": 0.5}),
    (Hinge, {}),
    (Hinge, {"power": 2, "margin": 0.7}),
    (BinaryCrossEntropy, {}),
]
WEIGHTS = [None, "balanced", [0.5, 2.0, 1.0, 4.0]]


def classes(count: int = 4) -> Facts:
    names = tuple("abcdefgh"[:count])
    return Facts("table", "classification", (3,), classes=names, class_counts=COUNTS[:count])


def numbers() -> Facts:
    return Facts("table", "regression", (3,))


def outputs(width: int, rows: int = 50, dtype: torch.dtype = torch.float32) -> Tensor:
    values = 3 * torch.randn(rows, width, generator=torch.Generator().manual_seed(width), dtype=dtype)
    return values.requires_grad_()


def labels(count: int, rows: int = 50) -> Tensor:
    return torch.randint(count, (rows,), generator=torch.Generator().manual_seed(count))


def assert_same(loss: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor], output: Tensor) -> None:
    """Both have the same value and the same gradient."""
    values = [function(output) for function in (loss, other)]
    gradients = [torch.autograd.grad(value, output)[0] for value in values]
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.0, 4.0]])
def test_cross_entropy_is_torchs(weights: list[float] | None, smoothing: float) -> None:
    loss = CrossEntropy(classes(), weights, smoothing)
    torchs = nn.CrossEntropyLoss(None if weights is None else torch.tensor(weights), label_smoothing=smoothing)
    target = labels(4)
    assert_same(lambda output: loss(output, target), lambda output: torchs(output, target), outputs(4))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_focal_without_focus_is_cross_entropy(weights: Any) -> None:
    focal, plain, target = Focal(classes(), 0.0, weights), CrossEntropy(classes(), weights), labels(4)
    assert_same(lambda output: focal(output, target), lambda output: plain(output, target), outputs(4))


def test_focal_by_hand() -> None:
    output, target = outputs(4), labels(4)
    p = output.softmax(dim=1)[range(50), target]
    expected = (-((1 - p) ** 2) * p.log()).mean()
    torch.testing.assert_close(Focal(classes())(output, target), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_has_a_finite_gradient_for_samples_classified_with_certainty(gamma: float) -> None:
    output = torch.tensor([[200.0, 0.0, 0.0, 0.0], [0.0, 200.0, 0.0, 0.0]], requires_grad=True)
    loss = Focal(classes(), gamma)(output, torch.tensor([0, 3]))
    loss.backward()
    assert loss.item() == pytest.approx(100)
    assert output.grad is not None
    assert output.grad.isfinite().all()


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("margin", [1.0, 0.3])
def test_hinge_is_torchs(power: Any, margin: float) -> None:
    loss, target = Hinge(classes(), margin, power), labels(4)
    torchs = nn.MultiMarginLoss(p=power, margin=margin)
    assert_same(lambda output: loss(output, target), lambda output: torchs(output, target), outputs(4))


def test_hinge_of_weighted_classes_by_hand() -> None:
    output, target, weights = outputs(4).detach(), labels(4), np.array([0.5, 2.0, 1.0, 4.0])
    scores = output.numpy()
    losses = [
        sum(max(0.0, 1 - row[true] + row[other]) for other in range(4) if other != true) / 4
        for row, true in zip(scores, target, strict=True)
    ]
    expected = np.average(losses, weights=weights[target])
    assert Hinge(classes(), class_weights=list(weights))(output, target).item() == pytest.approx(expected, rel=1e-5)


def test_binary_cross_entropy_of_two_classes_by_hand() -> None:
    output, target = outputs(1), labels(2)
    p = output[:, 0].sigmoid()
    per_sample = -torch.where(target == 1, p.log(), (1 - p).log())
    loss = BinaryCrossEntropy(classes(2))
    assert loss.out_features == 1
    assert_same(lambda o: loss(o, target), lambda o: _binary(o, target).mean(), output)
    torch.testing.assert_close(loss(output, target), per_sample.mean())

    weighted = BinaryCrossEntropy(classes(2), [1.0, 3.0])
    share = torch.where(target == 1, 3.0, 1.0)
    torch.testing.assert_close(weighted(output, target), (per_sample * share).sum() / share.sum())


def _binary(output: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(output[:, 0], target.float(), reduction="none")


def test_binary_cross_entropy_of_more_classes_is_one_against_the_rest() -> None:
    output, target = outputs(4), labels(4)
    loss = BinaryCrossEntropy(classes(4))
    assert loss.out_features == 4
    columns = [_binary(output[:, [k]], target == k) for k in range(4)]
    torch.testing.assert_close(loss(output, target), torch.stack(columns).mean())


@pytest.mark.parametrize(("kind", "options"), CLASSIFIERS)
@pytest.mark.parametrize("count", [2, 3, 4])
def test_probabilities_sum_to_one_and_favour_what_is_predicted(
    kind: type[Loss], options: dict[str, Any], count: int
) -> None:
    loss = kind(classes(count), **options)
    output = outputs(loss.out_features).detach()
    output[0] = -300.0  # every class is ruled out
    output[1] = 300.0
    probabilities = loss.probabilities(output)
    assert probabilities.shape == (50, count)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(50))
    predicted = (output[:, 0] > 0).long() if loss.out_features == 1 else output.argmax(dim=1)
    assert torch.equal(probabilities.argmax(dim=1)[2:], predicted[2:])


@pytest.mark.parametrize(
    ("loss", "torchs"),
    [
        (MeanSquaredError(numbers()), functional.mse_loss),
        (MeanAbsoluteError(numbers()), functional.l1_loss),
        (Huber(numbers()), functional.huber_loss),
        (Huber(numbers(), 0.4), lambda output, target: functional.huber_loss(output, target, delta=0.4)),
    ],
)
def test_regression_losses_are_torchs(loss: Loss, torchs: Callable[[Tensor, Tensor], Tensor]) -> None:
    output, target = outputs(1), torch.randn(50, 1, generator=torch.Generator().manual_seed(9))
    assert_same(lambda o: loss(o, target), lambda o: torchs(o, target), output)
    assert (loss.tasks[0], loss.out_features) == ("regression", 1)


def test_balanced_weights_are_scikit_learns() -> None:
    y = np.repeat(np.arange(4), COUNTS)
    expected = compute_class_weight("balanced", classes=np.arange(4), y=y)
    weights = CrossEntropy(classes(), "balanced").class_weights
    assert weights is not None
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_balanced_weights_are_finite_where_a_class_has_no_sample() -> None:
    facts = Facts("table", "classification", (3,), classes=("a", "b"), class_counts=(7, 0))
    weights = CrossEntropy(facts, "balanced").class_weights
    assert weights is not None
    assert weights.isfinite().all()


@pytest.mark.parametrize(("kind", "options"), CLASSIFIERS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_means_over_ragged_batches_combine_to_the_whole_batchs(
    kind: type[Loss], options: dict[str, Any], weights: Any
) -> None:
    loss = kind(classes(), class_weights=weights, **options).double()
    output, target = outputs(loss.out_features, dtype=torch.float64).detach(), labels(4)
    parts = list(zip(output.split([1, 7, 30, 12]), target.split([1, 7, 30, 12]), strict=True))
    total = sum(loss(o, t) * loss.weight(t) for o, t in parts) / sum(loss.weight(t) for _, t in parts)
    torch.testing.assert_close(total, loss(output, target), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("kind", [MeanSquaredError, MeanAbsoluteError, Huber])
def test_regression_means_over_ragged_batches_combine_to_the_whole_batchs(kind: type[Loss]) -> None:
    loss = kind(numbers())
    output = outputs(1, dtype=torch.float64).detach()
    target = torch.randn(50, 1, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    parts = list(zip(output.split(7), target.split(7), strict=True))
    total = sum(loss(o, t) * loss.weight(t) for o, t in parts) / sum(loss.weight(t) for _, t in parts)
    torch.testing.assert_close(total, loss(output, target), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("kind", "options"), CLASSIFIERS)
@pytest.mark.parametrize("class_weights", WEIGHTS)
@pytest.mark.parametrize("count", [2, 4])
def test_a_weight_is_as_many_copies_of_a_sample_also_over_ragged_batches(
    kind: type[Loss], options: dict[str, Any], class_weights: Any, count: int
) -> None:
    class_weights = class_weights[:count] if isinstance(class_weights, list) else class_weights
    loss = kind(classes(count), class_weights=class_weights, **options).double()
    output, target = outputs(loss.out_features, dtype=torch.float64).detach(), labels(count)
    copies = torch.arange(50) % 4
    weights = copies.float()
    parts = list(zip(*(x.split([8, 1, 30, 11]) for x in (output, target, weights)), strict=True))
    divisors = [loss.weight(t, w) for _, t, w in parts]
    means = [loss.weighted_mean(*part) for part in parts if part[2].sum() > 0]
    combined = sum(m * d for m, d in zip(means, [d for d in divisors if d > 0], strict=True)) / sum(divisors)
    repeated = loss(output.repeat_interleave(copies, dim=0), target.repeat_interleave(copies, dim=0))
    torch.testing.assert_close(combined, repeated, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", [MeanSquaredError, MeanAbsoluteError, Huber])
def test_a_missing_number_is_in_no_mean_and_has_no_gradient(kind: type[Loss]) -> None:
    loss = kind(Facts("table", "regression", (3,), outputs=("a", "b", "c")))
    output = outputs(3, dtype=torch.float64)
    target = torch.randn(50, 3, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    known = torch.rand(50, 3, generator=torch.Generator().manual_seed(1)) < 0.4
    weights, batches = known.float(), [8, 1, 30, 11]
    parts = [part for part in zip(*(x.split(batches) for x in (output, target, weights)), strict=True) if part[2].any()]
    combined = sum(loss.weighted_mean(*part) * loss.weight(*part[1:]) for part in parts) / weights.sum()
    assert_same(lambda _: combined, lambda of_all: loss(of_all[known], target[known]), output)


@pytest.mark.parametrize("kind", [MeanSquaredError, Huber, CrossEntropy])
def test_a_loss_of_ones_own_that_is_only_a_mean_refuses_weights(kind: type[Loss]) -> None:
    class Own(kind):  # type: ignore[misc, valid-type]
        def forward(self, output: Tensor, target: Tensor) -> Tensor:
            return (output * 0).sum()

    class Whole(Own):
        def each(self, output: Tensor, target: Tensor) -> Tensor:
            return 3 + 0 * output[:, 0].detach()

    facts = classes() if kind is CrossEntropy else numbers()
    with pytest.raises(ConfigError, match="Own cannot weigh samples") as refused:
        Own(facts).weighted_mean(outputs(1), torch.zeros(50, 1), torch.ones(50, 1))
    assert (refused.value.where, refused.value.override) == ("loss", "loss=auto")
    assert float(Whole(facts).weighted_mean(outputs(1), torch.zeros(50).long(), torch.ones(50))) == pytest.approx(3)


@pytest.mark.parametrize("kind", [CrossEntropy, Focal, Hinge, BinaryCrossEntropy])
@pytest.mark.parametrize("weights", [[1.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_a_wrong_number_of_class_weights_is_refused(kind: type[Loss], weights: list[float]) -> None:
    with pytest.raises(ConfigError, match=f"{len(weights)} class weights for 4 classes") as refused:
        kind(classes(), class_weights=weights)
    assert refused.value.where == "loss.class_weights"
    assert "a, b, c, d" in refused.value.fix


@pytest.mark.parametrize(("kind", "options"), CLASSIFIERS)
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("weights", [None, "balanced"])
def test_every_classifying_loss_takes_bfloat16_outputs(
    kind: type[Loss], options: dict[str, Any], count: int, weights: Any
) -> None:
    loss = kind(classes(count), class_weights=weights, **options)
    output, target = outputs(loss.out_features), labels(count)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(output.bfloat16(), target)
    assert value.item() == pytest.approx(loss(output, target).item(), rel=0.02)


def test_the_default_loss_suits_the_task() -> None:
    assert type(build_loss({}, numbers())) is MeanSquaredError
    assert type(build_loss({}, classes(2))) is BinaryCrossEntropy
    assert type(build_loss({}, classes(3))) is CrossEntropy


def test_class_weights_stay_out_of_checkpoints_and_follow_the_device() -> None:
    loss = CrossEntropy(classes(), "balanced")
    assert not loss.state_dict()
    assert [name for name, _ in loss.named_buffers()] == ["class_weights"]


def test_quantile_loss_is_least_at_the_quantiles() -> None:
    facts = Facts("table", "regression", (1,))
    loss = Quantile(facts, level=0.8)
    assert loss.out_features == 3
    target = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    best = torch.quantile(target[:, 0], torch.tensor([0.5, 0.1, 0.9]))
    least = loss(best.expand(20_000, 3), target)
    for at in range(3):
        for change in (-0.1, 0.1):
            other = best.clone()
            other[at] += change
            assert loss(other.expand(20_000, 3), target) > least
    weights = torch.rand(20_000, 1)
    each = loss.each(best.expand(20_000, 3), target)
    assert each.shape == (20_000, 1)
    assert loss.weighted_mean(best.expand(20_000, 3), target, weights) == pytest.approx(
        float((each * weights).sum() / weights.sum())
    )
