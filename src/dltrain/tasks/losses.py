"""Losses: each names its tasks and the width of the output it needs, and turns outputs into probabilities.

A loss is called as `Loss(facts, **config)`. `loss(output, target)` is the mean over a batch and `weight(target)` the
divisor of that mean, so that means of several batches can be combined exactly. `weighted_mean(output, target, weights)`
and `weight(target, weights)` are the same where samples have weights, or numbers are missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.data.tokens import IGNORED
from dltrain.errors import ConfigError
from dltrain.tasks.registry import task_class
from dltrain.types import Facts, Range

ClassWeights = Literal["balanced"] | Sequence[Annotated[float, Range(0, open_low=True)]] | None


class Loss(nn.Module):
    """The base class of all losses.

    Attributes:
        tasks: the names of the tasks that it serves.
        out_features: the width of output that it needs.
        takes_logits: whether it turns outputs into probabilities itself, so that a model must not.
        levels: of the quantiles that an output holds after the prediction, each as many numbers as it.
    """

    tasks: tuple[str, ...]
    out_features: int
    takes_logits: ClassVar[bool] = False
    levels: Sequence[float] = ()

    def weight(self, target: Tensor, weights: Tensor | None = None) -> Tensor | float:
        """Returns the divisor of the mean over a batch with this target, up to a constant factor."""
        return float(len(target)) if weights is None else weights.sum()

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        """Returns the loss of each sample `(B,)`, or of each number or label `(B, K)`, of which `forward` is the
        mean."""
        raise NotImplementedError

    def weighted_mean(self, output: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """Returns the weighted mean over a batch.

        Args:
            output: `(B, out_features)`.
            target: any number where one is missing.
            weights: as in `Split.weights`, in the shape of the losses that `each` returns.

        Raises:
            ConfigError: the loss does not say what it is for each sample.
        """
        own = next(parent for parent in type(self).__mro__ if not {"each", "forward"}.isdisjoint(vars(parent)))
        if own is Loss or "each" not in vars(own):
            raise ConfigError(
                f"the loss {type(self).__name__} cannot weigh samples, nor leave out missing numbers",
                where="loss",
                fix="let its method each(output, target) return the loss of each number, or take the task's own loss",
                override="loss=auto",
                replaces="loss._target_",
            )
        losses = self.each(output, target)
        if losses.shape != weights.shape:
            raise ConfigError(
                f"the method each of the loss {type(self).__name__} returns losses of shape {tuple(losses.shape)}, and "
                f"weights have the shape {tuple(weights.shape)}",
                where="loss",
                fix="let each(output, target) return a loss for each sample, or for each number or label of a sample",
                override="loss=auto",
                replaces="loss._target_",
            )
        return (losses * weights.to(losses.dtype)).sum() / self.weight(target, weights)

    def probabilities(self, output: Tensor) -> Tensor:
        """Returns the probabilities `(..., K)` of classes or labels for outputs `(..., out_features)`; only for tasks
        that have them."""
        return output.softmax(dim=-1)

    def combine_members(self, outputs: Tensor) -> Tensor:
        """Returns the output `(B, out_features)` that stands for the mean prediction of an ensemble's members, whose
        outputs are `(B, members, out_features)`."""
        return outputs.log_softmax(dim=2).logsumexp(dim=1) - math.log(outputs.shape[1])


class ClassificationLoss(Loss):
    """The base class of losses with one output a class; `class_weights` scale the losses of each class's samples.

    The characters of a string reach it one by one, as samples of their own.
    """

    tasks: tuple[str, ...] = ("classification", "characters")
    class_weights: Tensor | None

    def __init__(self, facts: Facts, class_weights: ClassWeights) -> None:
        super().__init__()
        self.out_features = task_class(facts.task).output_count(facts)
        self.register_buffer("class_weights", class_weight_tensor(facts, class_weights), persistent=False)

    def weight(self, target: Tensor, weights: Tensor | None = None) -> Tensor | float:
        if self.class_weights is None:
            return super().weight(target, weights)
        by_class = self.class_weights[target]
        return by_class.sum() if weights is None else (by_class * weights).sum()

    def mean_by_class(self, losses: Tensor, target: Tensor) -> Tensor:
        """Returns the mean of losses `(B,)`, weighted by the class of each sample."""
        if self.class_weights is None:
            return losses.mean()
        weights = self.class_weights[target]
        return (losses * weights).sum() / weights.sum()

    def times_class_weight(self, losses: Tensor, target: Tensor) -> Tensor:
        """Returns losses `(B,)` times the weight of each sample's class."""
        return losses if self.class_weights is None else losses * self.class_weights[target]


class CrossEntropy(ClassificationLoss):
    """`torch.nn.functional.cross_entropy`; for tokens the mean over all positions that are not ignored.

    Args:
        facts: of the data.
        class_weights: one weight for each class, `balanced` for the inverse of its frequency, or none.
        label_smoothing: share of the target that is spread over all classes.

    Raises:
        ConfigError: there are class weights, and tokens are predicted.
    """

    tasks: tuple[str, ...] = ("classification", "characters", "next_token", "generation")
    takes_logits: ClassVar[bool] = True

    def __init__(
        self,
        facts: Facts,
        class_weights: ClassWeights = None,
        label_smoothing: Annotated[float, Range(0, 1)] = 0.0,
    ) -> None:
        if task_class(facts.task).causal and class_weights is not None:
            raise ConfigError(
                "class weights do not work for tokens",
                where="loss.class_weights",
                fix="leave them out",
                override="loss.class_weights=null",
            )
        super().__init__(facts, class_weights)
        self.label_smoothing = label_smoothing

    def weight(self, target: Tensor, weights: Tensor | None = None) -> Tensor | float:
        if self.class_weights is None and target.dim() == 2:
            return (target != IGNORED).sum()
        return super().weight(target, weights)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(
            output, target, self.class_weights, ignore_index=IGNORED, label_smoothing=self.label_smoothing
        )

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(
            output, target, self.class_weights, label_smoothing=self.label_smoothing, reduction="none"
        )


class Focal(ClassificationLoss):
    """Cross-entropy with less weight on samples that are classified well: -(1-p)^gamma log p (Lin et al., 2017).

    Args:
        facts: of the data.
        gamma: how fast the weight falls; 0 is cross-entropy.
        class_weights: as for cross-entropy.
    """

    takes_logits: ClassVar[bool] = True

    def __init__(
        self, facts: Facts, gamma: Annotated[float, Range(0)] = 2.0, class_weights: ClassWeights = None
    ) -> None:
        super().__init__(facts, class_weights)
        self.gamma = gamma

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return self.mean_by_class(self._losses(output, target), target)

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        return self.times_class_weight(self._losses(output, target), target)

    def _losses(self, output: Tensor, target: Tensor) -> Tensor:
        log_p = output.log_softmax(dim=1).gather(1, target[:, None]).squeeze(1)
        # 1 - p, not below eps: for gamma < 1 the gradient at 0 would be infinite.
        missed = (-log_p.expm1()).clamp(min=torch.finfo(log_p.dtype).eps)
        return -(missed**self.gamma) * log_p


class Hinge(ClassificationLoss):
    """Multi-class hinge, `torch.nn.functional.multi_margin_loss`.

    Args:
        facts: of the data.
        margin: by which the true class's output should exceed the others.
        power: 1 for the hinge, 2 for the squared hinge.
        class_weights: as for cross-entropy.
    """

    def __init__(
        self,
        facts: Facts,
        margin: Annotated[float, Range(0)] = 1.0,
        power: Literal[1, 2] = 1,
        class_weights: ClassWeights = None,
    ) -> None:
        super().__init__(facts, class_weights)
        self.margin, self.power = margin, power

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return self.mean_by_class(self._losses(output, target), target)

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        return self.times_class_weight(self._losses(output, target), target)

    def _losses(self, output: Tensor, target: Tensor) -> Tensor:
        return functional.multi_margin_loss(output, target, p=self.power, margin=self.margin, reduction="none")


class BinaryCrossEntropy(ClassificationLoss):
    """`torch.nn.functional.binary_cross_entropy_with_logits`: one output for two classes, else one a class or label.

    Args:
        facts: of the data.
        class_weights: as for cross-entropy; only for classes, not for labels.

    Raises:
        ConfigError: there are class weights, and the task is multilabel.
    """

    tasks: tuple[str, ...] = ("classification", "multilabel")
    takes_logits: ClassVar[bool] = True

    def __init__(self, facts: Facts, class_weights: ClassWeights = None) -> None:
        self.labels = task_class(facts.task).target == "labels"
        if self.labels and class_weights is not None:
            raise ConfigError(
                "class weights do not work for labels",
                where="loss.class_weights",
                fix="leave them out",
                override="loss.class_weights=null",
            )
        super().__init__(facts, class_weights)
        self.binary = len(facts.classes) == 2
        if self.binary:
            self.out_features = 1
        if self.labels:
            self.out_features = len(facts.outputs)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        if self.class_weights is None:
            return functional.binary_cross_entropy_with_logits(output, self._expected(output, target))
        return self.mean_by_class(self._losses(output, target), target)

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        losses = self._losses(output, target)
        return losses if self.labels else self.times_class_weight(losses, target)

    def _losses(self, output: Tensor, target: Tensor) -> Tensor:
        """Returns the loss of each sample `(B,)`, or of each label `(B, L)`."""
        expected = self._expected(output, target)
        losses = functional.binary_cross_entropy_with_logits(output, expected, reduction="none")
        return losses if self.labels else losses.mean(dim=1)

    def _expected(self, output: Tensor, target: Tensor) -> Tensor:
        """Returns the probabilities `(B, out_features)` that the outputs should have."""
        if self.labels:
            return target.to(output.dtype)
        if self.binary:
            return target[:, None].to(output.dtype)
        return functional.one_hot(target, self.out_features).to(output.dtype)

    def probabilities(self, output: Tensor) -> Tensor:
        if self.labels:
            return output.sigmoid()
        if self.binary:
            return torch.cat([-output, output], dim=1).sigmoid()
        return functional.logsigmoid(output).softmax(dim=1)  # sigmoids over their sum, also where all are nearly 0

    def combine_members(self, outputs: Tensor) -> Tensor:
        # The logit of the mean of p, computed from log p and log (1 - p) because p itself may round to 0 or 1.
        return functional.logsigmoid(outputs).logsumexp(dim=1) - functional.logsigmoid(-outputs).logsumexp(dim=1)


class RegressionLoss(Loss):
    """The base class of losses of numbers; output and target are `(B, K)` and standardised."""

    tasks: tuple[str, ...] = ("regression", "rating", "forecasting")

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        self.out_features = max(1, len(facts.outputs))

    def combine_members(self, outputs: Tensor) -> Tensor:
        return outputs.mean(dim=1)


class MeanSquaredError(RegressionLoss):
    """`torch.nn.functional.mse_loss`."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(output, target)

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(output, target, reduction="none")


class MeanAbsoluteError(RegressionLoss):
    """`torch.nn.functional.l1_loss`."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return functional.l1_loss(output, target)

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        return functional.l1_loss(output, target, reduction="none")


class Huber(RegressionLoss):
    """`torch.nn.functional.huber_loss`: squared near zero, absolute beyond `delta`.

    Args:
        facts: of the data.
        delta: the error at which it turns; in standard deviations if the target is standardised.
    """

    def __init__(self, facts: Facts, delta: Annotated[float, Range(0, open_low=True)] = 1.0) -> None:
        super().__init__(facts)
        self.delta = delta

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return functional.huber_loss(output, target, delta=self.delta)

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        return functional.huber_loss(output, target, delta=self.delta, reduction="none")


class Quantile(RegressionLoss):
    """The pinball loss of the median and of the two ends of an interval (Koenker and Bassett, 1978).

    The output is `(B, 3·K)`: K medians, K lower and K upper ends.

    Args:
        facts: of the data.
        level: the share of targets that the intervals are to hold.
    """

    tasks: tuple[str, ...] = ("regression", "forecasting")

    def __init__(self, facts: Facts, level: Annotated[float, Range(0.01, 0.99)] = 0.9) -> None:
        super().__init__(facts)
        self.levels = ((1 - level) / 2, (1 + level) / 2)
        self.out_features *= 1 + len(self.levels)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return self.each(output, target).mean()

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        parts = output.chunk(1 + len(self.levels), dim=-1)
        losses = [
            torch.maximum(level * (target - part), (level - 1) * (target - part))
            for level, part in zip((0.5, *self.levels), parts, strict=True)
        ]
        return torch.stack(losses).mean(dim=0)


class RankingLoss(Loss):
    """The base class of losses of scores `(B, 1 + N)`, the chosen item's first and then others'; targets are unused."""

    tasks: tuple[str, ...] = ("ranking",)
    out_features = 1

    def __init__(self, facts: Facts) -> None:
        super().__init__()


class SampledSoftmax(RankingLoss):
    """Cross-entropy of the chosen item among itself and the items drawn at random.

    Args:
        facts: of the data.
        estimate: whether the drawn items stand for all others, each for several of these, so that the loss estimates
            the cross-entropy among all items.
    """

    def __init__(self, facts: Facts, estimate: bool = False) -> None:
        super().__init__(facts)
        items = facts.vocab_sizes[1:2]  # none where the data ranks nothing, which is refused later
        self.others = max(1, items[0] - 2) if estimate and items else None  # without the chosen item and item 0

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return self.each(output, target).mean()

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        if self.others is not None:
            drawn = output[:, 1:] + math.log(self.others / (output.shape[1] - 1))
            output = torch.cat([output[:, :1], drawn], dim=1)
        return (output.logsumexp(dim=1) - output[:, 0])[:, None]


class PairwiseRanking(RankingLoss):
    """Bayesian personalised ranking (Rendle et al., 2009): -log σ of the chosen item's score minus another's."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return functional.softplus(output[:, 1:] - output[:, :1]).mean()

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        return functional.softplus(output[:, 1:] - output[:, :1]).mean(dim=1, keepdim=True)


class NegativeSampling(Loss):
    """The negative log-likelihood of a true word and of noise words, each told apart by itself (Mikolov et al., 2013).

    Outputs are scores `(B, 1 + N)`, the true word's first; all noise words together weigh as much as `data.negatives`.
    Targets are unused.
    """

    tasks: tuple[str, ...] = ("word_vectors",)
    out_features = 1

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        self.negatives = int(facts.preprocessing.get("negatives", 5))

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return self.each(output, target).mean()

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        true, noise = functional.softplus(-output[:, 0]), functional.softplus(output[:, 1:])
        return true + self.negatives / max(1, noise.shape[1]) * noise.sum(dim=1)


def class_weight_tensor(facts: Facts, class_weights: ClassWeights) -> Tensor | None:
    """Returns `(K,)` float32 weights; `balanced` means samples / (classes · samples of the class), as in scikit-learn.

    Raises:
        ConfigError: their number is not that of the classes.
    """
    if class_weights is None:
        return None
    if class_weights == "balanced":
        counts = torch.tensor(facts.class_counts, dtype=torch.float32)
        return counts.sum() / (len(counts) * counts.clamp(min=1))
    if len(class_weights) != len(facts.classes):
        raise ConfigError(
            f"{len(class_weights)} class weights for {len(facts.classes)} classes",
            where="loss.class_weights",
            fix=f"give one weight for each of {', '.join(facts.classes)}, or loss.class_weights=balanced",
            override="loss.class_weights=balanced",
        )
    return torch.tensor([float(weight) for weight in class_weights])


def default_smooth(
    facts: Facts, class_weights: ClassWeights = None, label_smoothing: Annotated[float, Range(0, 1)] = 0.1
) -> Loss:
    """Returns smoothed cross-entropy for classes, and the task's own default loss otherwise.

    Args:
        facts: of the data.
        class_weights: as in `CrossEntropy`; without effect where there are no classes.
        label_smoothing: likewise.
    """
    if facts.classes:
        return CrossEntropy(facts, class_weights, label_smoothing)
    return task_class(facts.task).default_loss(facts)
