"""What the loop, the baselines, the results and the pages ask of a task.

A task says how a model's output becomes a loss, a prediction and metrics, and how predictions are written, compared
and explained. It is called as `Task(facts, loss, metrics)`; a task of one's own is a subclass of this one or of a
built-in one (docs/extending.md).

An output is `(B, out_features)`, or `(B, members, out_features)` of a model that is several: in training each member
has a loss of its own, whose mean is the objective; for evaluation and prediction `combine_members` makes one output of
them, the one that means the members' mean prediction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dltrain.tasks.comparison import Baseline, Comparison
from dltrain.tasks.evaluation import evaluate_fully
from dltrain.tasks.metric_table import MetricInfo, describe_metric
from dltrain.tasks.metrics import Metric, joined
from dltrain.tasks.precision import Precision
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.statistics import Calibration
from dltrain.types import Facts, Split

if TYPE_CHECKING:
    from dltrain.data.loader import TensorLoader
    from dltrain.tasks.losses import Loss
    from dltrain.tasks.pages.page import Page

EVALUATION_BATCH = 256  # samples at least, where no gradient is kept
TOLERANCE = 1e-4  # relative, of an exported model: other kernels sum in another order


class Rows(NamedTuple):
    """A table of text: its column names, and a list of cells for each row."""

    head: list[str]
    cells: Iterable[list[str]]


class Task:
    """What is learned: how outputs become a loss, predictions and metrics.

    Attributes:
        name: that `Facts.task` records; of a task of one's own its dotted path.
        target: what the target of a table must be for this task: `number`, `class` or `labels`; empty where the kind
            of data decides.
        primary_metric: the metric that results are compared by.
        causal: whether the output is one for each position of a sequence, `(B, T, out_features)`, none of which may
            know the positions after it.
        takes_penalty: whether an output may have one column more in training, a penalty of each sample.
        unbalanced: why classes cannot be shown equally often, in words; empty where they can.
        export_words: what an exported model's output is.
        loss: with the width of output that it asks for.
        metric: of the predictions that `decode` makes; computed after every epoch.
    """

    name: ClassVar[str]
    target: ClassVar[str] = ""
    primary_metric: ClassVar[str]
    causal: ClassVar[bool] = False
    takes_penalty: ClassVar[bool] = False
    unbalanced: ClassVar[str] = "the target is a number"
    export_words: ClassVar[str] = "numbers in the target's own unit"

    def __init__(self, facts: Facts, loss: Loss, metrics: Sequence[Metric] = ()) -> None:
        self.facts = facts
        self.loss = loss
        self.metric = joined([self.own_metric(), *metrics])

    def own_metric(self) -> Metric:
        """Returns the metric that is computed after every epoch."""
        raise NotImplementedError

    @classmethod
    def default_loss(cls, facts: Facts) -> Loss:
        """Returns the loss for such data, where the config names none."""
        raise NotImplementedError

    @classmethod
    def page(cls, facts: Facts) -> Page:
        """Returns what the page of a run says of this task."""
        from dltrain.tasks.pages.page import Page

        return Page(facts)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names of everything that is computed after every epoch."""
        return self.metric.names

    def describe_metric(self, name: str) -> MetricInfo:
        """Returns what is known of one of the metrics."""
        return describe_metric(name, self.metric.info)

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        """Returns the batch's mean loss, over the members too where there are several."""
        return self.loss(*each_member(output, target))

    def combine_members(self, output: Tensor) -> Tensor:
        """Returns one output of several members'; an output of one model as it is."""
        return output if output.dim() == 2 else self.loss.combine_members(output)

    def decode(self, output: Tensor) -> Tensor:
        """Returns the prediction that the metric compares with the target."""
        raise NotImplementedError

    def predict(self, output: Tensor, target: Tensor | None = None) -> Predictions:
        """Returns predictions with their scores, on the CPU; where the target is known, with what it tells of them."""
        return Predictions(self.decode(output.float()).cpu())

    def epoch_metrics(self, predictions: Predictions, target: Tensor) -> dict[str, float]:
        """Returns the metrics that need all samples at once."""
        return {}

    def measure(self, predictions: Predictions, target: Tensor) -> dict[str, float]:
        """Returns the metrics of predictions that somebody has made, a baseline for instance."""
        return self.metric.compute(self.metric.update(predictions.values, target))

    def evaluate(
        self,
        model: nn.Module,
        loader: TensorLoader,
        split: Split,
        kept: Mapping[str, Tensor],
        precision: Precision = "float32",
        *,
        thorough: bool = True,
    ) -> tuple[dict[str, float], Predictions]:
        """Measures a model on a split.

        Args:
            model: trained.
            loader: of the split, in its order.
            split: its samples.
            kept: what the run keeps beyond the facts, as in `Data`.
            precision: of the forward pass.
            thorough: whether to measure what takes long too, as on the splits that are shown.
        """
        return evaluate_fully(model, self, loader, precision)

    def evaluation_batch(self, batch_size: int) -> int:
        """Returns how many samples are evaluated at once."""
        return max(batch_size, EVALUATION_BATCH)

    def is_known(self, target: Tensor) -> Tensor:
        """Tells which samples `(N,)` have a target."""
        known = ~target.isnan() if target.is_floating_point() else target >= 0
        return known if known.dim() == 1 else known.all(dim=1)

    def notes_on_new_data(self, inputs: tuple[Tensor, ...], kept: Mapping[str, Tensor]) -> list[str]:
        """Returns what is to be said of labelled data that the model is evaluated on, by what the run has seen."""
        return []

    def calibrate(self, predictions: Predictions, target: Tensor) -> Calibration:
        """Measures how far probabilities mean what they say."""
        return Calibration()

    def compare(
        self, model: str, target: Tensor, ours: Predictions, baselines: Sequence[Baseline]
    ) -> Comparison | None:
        """Compares predictions of a model with those of the best baseline; `None` where nothing can be told."""
        return None

    @property
    def importance_metric(self) -> str:
        """The metric whose loss says what a column is worth."""
        return self.primary_metric

    def table(self, split: Split, predictions: Predictions) -> Rows:
        """Returns the rows of predictions.csv."""
        raise NotImplementedError

    def columns(self, predictions: Predictions) -> dict[str, Any]:
        """Returns the columns that predictions of new samples have, between `id` and `remarks`."""
        return {"predicted": predictions.values.flatten().tolist()}

    def spell_pairs(self, split: Split, predictions: Predictions, chosen: Sequence[int]) -> list[tuple[str, str]]:
        """Returns what is true and what is predicted of some samples, as text."""
        raise NotImplementedError

    def errors(self, split: Split, predictions: Predictions) -> NDArray[np.float64]:
        """Returns how wrong each prediction is, `(N,)`."""
        raise NotImplementedError

    def difference(self, predictions: Predictions, rows: Sequence[Mapping[str, str]]) -> float:
        """Returns how far predictions are from the rows of examples.csv, relative to the largest number; 0 where the
        two cannot be compared."""
        return 0.0

    def metrics_by_output(self, split: Split, predictions: Predictions) -> dict[str, dict[str, float]]:
        """Returns the metrics of each of several numbers or labels; nothing where there is one output."""
        return {}

    def deploy(self, output: Tensor) -> Tensor:
        """Returns what an exported model is to return for a model's output `(B, out_features)`."""
        return self.decode(output).float()

    def agrees(self, deployed: Tensor, predictions: Predictions) -> bool:
        """Tells whether an exported model's output means these predictions."""
        return torch.allclose(deployed, predictions.values.float(), rtol=TOLERANCE)


def each_member(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Returns every member's output as a sample of its own, `(B·members, out_features)`, beside its target."""
    if output.dim() == 2:
        return output, target
    return output.flatten(0, 1), target.repeat_interleave(output.shape[1], dim=0)
