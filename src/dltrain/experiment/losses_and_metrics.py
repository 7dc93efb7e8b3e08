"""Tries a loss and the user's own metrics on a few outputs, so that what is wrong with them is said at their key."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.experiment.outputs import refusal_of, with_article
from dltrain.tasks.metric_table import METRICS
from dltrain.tasks.metrics import Metric
from dltrain.tasks.precision import Precision, autocast
from dltrain.tasks.task import Task
from dltrain.types import Batch


def loss_of(output: Tensor, task: Task, batch: Batch, model: str) -> Tensor:
    """Returns the mean loss of a model's output.

    Raises:
        ConfigError: it cannot be computed, or is not one number.
    """
    name = type(task.loss).__name__
    own = (slot for slot, part in (("loss", task.loss), ("task", task)) if not _is_built_in(part))
    try:
        loss = task.objective(output, *batch.weighted_target)
        weight = float(task.loss.weight(*batch.weighted_target))
    except Exception as error:
        what = f"the loss {name} of {model}'s output cannot be computed"
        raise refusal_of(error, what, where=next(own, "model")) from error
    if not isinstance(loss, Tensor) or loss.dim():
        of_shape = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else ""
        what = f"the loss {name} returns {of_shape or with_article(type(loss).__name__)} instead of one number"
        raise ConfigError(what, where="loss", fix="let it return the mean over the batch, of shape (): losses.mean()")
    if not weight > 0 and not _is_built_in(task.loss):
        what = f"the weight of the loss {name} is {weight:g} for a batch, and a mean is divided by it"
        raise ConfigError(what, where="loss", fix="let weight(target) return a number above 0, such as len(target)")
    return loss


@torch.no_grad()
def check_metrics(
    metrics: Mapping[str, Metric], model: nn.Module, task: Task, batch: Batch, precision: Precision
) -> None:
    """Checks that the user's own metrics can be computed from a model's predictions, and what they are called.

    Args:
        metrics: the metrics, by their names in the config.
        model: the model.
        task: its task.
        batch: a few samples.
        precision: the precision of the forward pass.

    Raises:
        ConfigError: a metric fails, or has the name of another one.
    """
    if not metrics:
        return
    model.eval()
    with autocast(precision, batch.target.device):
        prediction = task.decode(task.combine_members(batch.output_of(model)))
    taken = {*METRICS, *task.own_metric().names}
    for name, metric in metrics.items():
        values = _values(name, metric, prediction, batch.target)
        for value in dict.fromkeys([*metric.names, *metric.info, *values]):
            if value in taken:
                raise ConfigError(
                    f"the metric {name} measures {value!r}, which is the name of another metric",
                    where=f"metric.{name}",
                    fix=f"give it a name of its own, such as own_{value}",
                )
        if missing := [value for value in (*metric.names, *metric.info) if value not in values]:
            raise ConfigError(
                f"the metric {name} announces {missing[0]!r}, and its compute returns {', '.join(values) or 'nothing'}",
                where=f"metric.{name}",
                fix="use the same names in info and in what compute returns",
            )
        taken |= values.keys()


def _values(name: str, metric: Metric, prediction: Tensor, target: Tensor) -> dict[str, float]:
    where, what = f"metric.{name}", f"the metric {name} cannot be computed"
    try:
        sums, fewer = metric.update(prediction, target), metric.update(prediction[:1], target[:1])
        if not isinstance(sums, Tensor) or sums.shape != fewer.shape:
            shapes = " and ".join(str(tuple(part.shape)) for part in (sums, fewer) if isinstance(part, Tensor))
            returned = f"tensors of shape {shapes}" if shapes else with_article(type(sums).__name__)
            raise ConfigError(
                f"the update of the metric {name} returns {returned} instead of sums of one shape for every batch",
                where=where,
                fix="let it return a float64 tensor of sums over the batch",
            )
        return {key: float(value) for key, value in metric.compute(sums.double().cpu()).items()}
    except Exception as error:
        raise refusal_of(error, what, where=where) from error


def _is_built_in(part: object) -> bool:
    return type(part).__module__.partition(".")[0] == "dltrain"
