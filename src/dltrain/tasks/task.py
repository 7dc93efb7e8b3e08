"""The protocol of a task: what the loop, the baselines, the results and the pages ask of it.

A task turns a model's output into a loss, a prediction and metrics, and says how predictions are written, compared and
explained. It is called as `Task(facts, loss, metrics)`; a task of one's own is a subclass of `Task` or of a built-in
one (docs/extending.md).

An output is `(B, out_features)`, or `(B, members, out_features)` of an ensemble: in training each member has a loss of
its own, and the objective is their mean; for evaluation and prediction `combine_members` makes one output of them, the
one that stands for the mean of the members' predictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.tasks.certainty import Certainty
from dltrain.tasks.comparison import Comparison, Contest
from dltrain.tasks.evaluation import EvaluationSet, evaluate_fully
from dltrain.tasks.metric_table import MetricInfo, describe_metric
from dltrain.tasks.metrics import Metric, joined
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.statistics import Calibration
from dltrain.tasks.wrong_labels import WrongLabel
from dltrain.types import Encoded, Facts, Split, SplitName

if TYPE_CHECKING:
    import pandas as pd

    from dltrain.tasks.losses import Loss
    from dltrain.tasks.pages.page import Page

EVALUATION_BATCH = 256  # samples at least: evaluation stores no gradients
MOST_OUTPUTS = 2**30  # bytes of what layers put out for so many samples, above which they are fewer
FEW_OUTPUTS = 2**26  # bytes for these
TOLERANCE = 1e-4  # relative, of an exported model: other kernels sum in another order


class Rows(NamedTuple):
    """A table of text: its column names, and the cells of each row."""

    head: list[str]
    cells: Iterable[list[str]]


class Task:
    """A task: how outputs become a loss, predictions and metrics.

    Args:
        facts: of the data.
        loss: of the model's output.
        metrics: of the user's own, computed beside the task's own.

    Attributes:
        name: recorded as `Facts.task`; of a task of one's own its dotted path.
        target: what the target of a table must be for this task: `number`, `class`, `labels` or `string`; empty where
            the kind of data decides.
        primary_metric: the metric by which results are compared.
        causal: whether a model must give an output for each position of a sequence, `(B, T, out_features)`, that
            depends on no later position.
        positional: whether the place of a thing in an input decides what is right, as with characters of a string.
        takes_penalty: whether an output may have one more column in training, a penalty for each sample.
        unbalanced: why classes cannot be shown equally often, in words; empty where they can.
        export_words: what an exported model returns, in words.
        loss: as given.
        metric: the task's own metric joined with `metrics`; computed from the predictions of `decode`.
    """

    name: ClassVar[str]
    target: ClassVar[str] = ""
    primary_metric: ClassVar[str]
    causal: ClassVar[bool] = False
    positional: ClassVar[bool] = False
    takes_penalty: ClassVar[bool] = False
    unbalanced: ClassVar[str] = "the target is a number"
    export_words: ClassVar[str] = "numbers in the target's own unit"

    def __init__(self, facts: Facts, loss: Loss, metrics: Sequence[Metric] = ()) -> None:
        self.facts = facts
        self.loss = loss
        self.metric = joined([self.own_metric(), *metrics])

    def own_metric(self) -> Metric:
        """Returns the metric of this task that is computed after every epoch."""
        raise NotImplementedError

    @classmethod
    def default_loss(cls, facts: Facts) -> Loss:
        """Returns the loss for this data if the config names none."""
        raise NotImplementedError

    @classmethod
    def output_count(cls, facts: Facts) -> int:
        """Returns the width of an output that has a score for each class."""
        return len(facts.classes)

    @classmethod
    def page(cls, facts: Facts) -> Page:
        """Returns the part of a run's page that concerns this task."""
        from dltrain.tasks.pages.page import Page

        return Page(facts)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Returns the names of all metrics that are computed after every epoch."""
        return self.metric.names

    def describe_metric(self, name: str) -> MetricInfo:
        """Returns label, direction and unit of one of the metrics."""
        return describe_metric(name, self.metric.info)

    def objective(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """Returns the mean loss over a batch, and over the members of an ensemble; weighted, if there are weights as in
        `Split.weights`."""
        if weights is None:
            return self.loss(*each_member(output, target))
        return self.loss.weighted_mean(*each_member(output, target, weights))

    def combine_members(self, output: Tensor) -> Tensor:
        """Returns one output for those of an ensemble's members; any other output as it is."""
        return output if output.dim() == 2 else self.loss.combine_members(output)

    def computed(self, output: Tensor) -> Tensor:
        """Returns the part of an output that the model computed, without what its inputs have passed on."""
        return output

    def decode(self, output: Tensor) -> Tensor:
        """Returns the predictions that the metric compares with the target."""
        raise NotImplementedError

    def predict(self, output: Tensor, target: Tensor | None = None) -> Predictions:
        """Returns predictions with their scores, on the CPU; with what also needs the target, if it is given."""
        return Predictions(self.decode(output.float()).cpu())

    def infer(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Predictions:
        """Returns a model's predictions of new samples, whose prepared inputs `(B, ...)` are given."""
        return self.predict(self.combine_members(model(*inputs)))

    def with_beams(self, beams: int) -> Task:
        """Returns the task with so many beginnings of an answer followed side by side.

        Raises:
            ConfigError: the predictions are no texts that a model writes.
        """
        what = "a search with beams is for answers that a model writes"
        raise ConfigError(what, where="--beams", fix="leave it out")

    def explained(self, output: Tensor) -> Tensor:
        """Returns the number of each sample's output that an explanation is about, `(B,)`: the first one."""
        return self.combine_members(output).flatten(1)[:, 0]

    def epoch_metrics(
        self, predictions: Predictions, target: Tensor, weights: Tensor | None = None
    ) -> dict[str, float]:
        """Returns the metrics that need all samples at once."""
        return {}

    def measure(self, predictions: Predictions, target: Tensor, weights: Tensor | None = None) -> dict[str, float]:
        """Returns the metrics of predictions that are not a model's, such as a baseline's."""
        return self.metric.compute(self.metric.sums_of(predictions.values, target, weights))

    def evaluate(self, model: nn.Module, on: EvaluationSet) -> tuple[dict[str, float], Predictions]:
        """Returns the metrics and predictions of a trained model on a split."""
        return evaluate_fully(model, self, on.loader, on.precision)

    def evaluation_batch(self, batch_size: int) -> int:
        """Returns the number of samples in a batch of the evaluation, for that batch size in training."""
        return max(batch_size, EVALUATION_BATCH)

    def fitting_batch(self, batch_size: int, bytes_each: int, least: int) -> int:
        """Returns the number of samples in a batch of the evaluation: as usual, unless layers would put out more than
        1 GiB for it.

        Args:
            batch_size: of the training.
            bytes_each: of what layers put out for a sample.
            least: samples of a batch.
        """
        usual = self.evaluation_batch(batch_size)
        return usual if usual * bytes_each <= MOST_OUTPUTS else min(usual, max(least, FEW_OUTPUTS // bytes_each))

    def is_known(self, target: Tensor) -> Tensor:
        """Tells which samples `(N,)` have a target."""
        present = ~target.isnan() if target.is_floating_point() else target >= 0
        return present if present.dim() == 1 else present.all(dim=1)

    def notes_on_new_data(self, inputs: tuple[Tensor, ...], stored: Mapping[str, Tensor]) -> list[str]:
        """Returns notes on new data that a model is evaluated on, for instance how much of it trained the model.

        Args:
            inputs: of the new data.
            stored: tensors that the run stores beyond the facts, as in `Data.kept`.
        """
        return []

    def calibrate(self, predictions: Predictions, target: Tensor) -> Calibration:
        """Returns how well probabilities match frequencies; an empty `Calibration` where there are no probabilities."""
        return Calibration()

    def find_wrong_labels(
        self, splits: Mapping[SplitName, Split], predictions: Mapping[SplitName, Predictions]
    ) -> tuple[WrongLabel, ...]:
        """Returns held-out samples whose labels may be wrong, the least probable first; none where there are no
        labels.

        Args:
            splits: the samples.
            predictions: of each split, calibrated.
        """
        return ()

    def learn_certainty(
        self, splits: Mapping[SplitName, Split], predictions: Mapping[SplitName, Predictions]
    ) -> dict[str, Any] | None:
        """Learns from the validation split how sure predictions are, and goes by it from then on.

        Args:
            splits: the samples.
            predictions: of each split.

        Returns:
            What `use_certainty` takes, as JSON; `None` where the task says nothing of certainty.
        """
        return None

    def use_certainty(self, stored: Mapping[str, Any]) -> None:
        """Goes by what `learn_certainty` returned for the run.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """

    def calibrated(self, predictions: Predictions) -> Predictions:
        """Returns predictions with the probabilities that are shown, which may be scaled by what was learned."""
        return predictions

    def check_certainty(self, certainty: Certainty) -> None:
        """Makes sure that the run can say what is asked of certainty.

        Raises:
            ConfigError: it cannot.
        """
        flags = {"--interval": certainty.level, "--sets": certainty.sets or None}
        flags |= {"--threshold": certainty.threshold, "--top": certainty.top}
        if given := [flag for flag, value in flags.items() if value is not None]:
            raise ConfigError(f"{given[0]} does not work for {self.name} runs", where=given[0], fix="leave it out")

    def note_on_certainty(self, certainty: Certainty) -> str:
        """Returns why predictions come without an interval that was to be expected; else an empty text."""
        return ""

    def decided(self, predictions: Predictions, certainty: Certainty) -> Predictions:
        """Returns predictions of which the values follow a threshold, if one is given."""
        return predictions

    def frame(self, encoded: Encoded, predictions: Predictions, certainty: Certainty) -> pd.DataFrame:
        """Returns the predictions of new samples, a row each: `id`, those of `columns` and `certainty_columns`, and
        `remarks`."""
        import pandas as pd

        columns = self.columns(predictions, encoded.inputs)
        columns |= self.certainty_columns(predictions, encoded.inputs, certainty)
        return pd.DataFrame({"id": list(encoded.ids)} | columns | {"remarks": encoded.spelled_remarks})

    def certainty_columns(
        self, predictions: Predictions, inputs: tuple[Tensor, ...], certainty: Certainty
    ) -> dict[str, Any]:
        """Returns the columns of intervals or sets of new samples, after those of `columns`."""
        return {}

    def measure_certainty(self, split: Split, predictions: Predictions) -> dict[str, Any]:
        """Returns how often intervals or sets hold the truth on a split that nothing was learned from, as
        `certainty.describe` reads it; nothing where there are none."""
        return {}

    def compare(self, contest: Contest) -> Comparison | None:
        """Compares a model's predictions with those of the best baseline; `None` where that is not possible."""
        return None

    @property
    def importance_metric(self) -> str:
        """Returns the metric by which the importance of a column is measured."""
        return self.primary_metric

    def table(self, split: Split, predictions: Predictions) -> Rows:
        """Returns the rows of predictions.csv."""
        raise NotImplementedError

    def columns(self, predictions: Predictions, inputs: tuple[Tensor, ...]) -> dict[str, Any]:
        """Returns the columns of predictions of new samples, whose stored inputs are given, between `id` and
        `remarks`."""
        return {"predicted": predictions.values.flatten().tolist()}

    def spell_pairs(self, split: Split, predictions: Predictions, chosen: Sequence[int]) -> list[tuple[str, str]]:
        """Returns the true and the predicted value of some samples, as text."""
        raise NotImplementedError

    def errors(self, split: Split, predictions: Predictions) -> NDArray[np.float64]:
        """Returns how wrong each prediction is, `(N,)`."""
        raise NotImplementedError

    def difference(self, predictions: Predictions, rows: Sequence[Mapping[str, str]]) -> float:
        """Returns how far predictions are from the rows of examples.csv, relative to the largest number; 0 where the
        two cannot be compared."""
        return 0.0

    def metrics_by_output(self, split: Split, predictions: Predictions) -> dict[str, dict[str, float]]:
        """Returns the metrics of each output, where several numbers or labels are predicted; else nothing."""
        return {}

    def deploy(self, output: Tensor) -> Tensor:
        """Returns what an exported model returns for a model's output `(B, out_features)`."""
        return self.decode(output).float()

    def agrees(self, deployed: Tensor, predictions: Predictions) -> bool:
        """Tells whether an exported model's output agrees with these predictions."""
        return torch.allclose(deployed, predictions.values.float(), rtol=TOLERANCE)


def each_member(output: Tensor, *targets: Tensor) -> tuple[Tensor, ...]:
    """Returns each member's output as a sample of its own, `(B·members, out_features)`, and the repeated targets, and
    weights if they are given."""
    if output.dim() == 2:
        return (output, *targets)
    return output.flatten(0, 1), *(part.repeat_interleave(output.shape[1], dim=0) for part in targets)
