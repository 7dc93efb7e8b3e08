"""Validates several models of one structure at once, on the splits that they share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from dltrain.tasks.task import Task
from dltrain.training.blending import Blending
from dltrain.training.loop import Learner
from dltrain.types import Batch, Loader

AT_ONCE = 2**13  # rows of all models in a step; a batch of fewer rows a model is not divided further than that
FEWEST = 32  # rows of each model

Stacked = dict[str, Tensor]  # of all models `(K, ...)`, by name
Sums = Callable[[Task, Tensor, Batch], Tensor]


class Group(NamedTuple):
    """Models that are validated together.

    Args:
        places: of the models.
        task: that they have in common.
        loader: of the split that they have in common.
    """

    places: tuple[int, ...]
    task: Task
    loader: Loader


class StackedValidation:
    """The validation of K models, by their stacked weights.

    Args:
        model: what computes the outputs.
        learners: of the models.
    """

    def __init__(self, model: nn.Module, learners: Sequence[Learner]) -> None:
        self.model, self.count = model, len(learners)
        places: dict[tuple[int, int], list[int]] = {}
        for place, learner in enumerate(learners):
            places.setdefault((id(getattr(learner.val, "split", learner.val)), id(learner.task)), []).append(place)
        self.groups = [
            Group(tuple(those), learners[those[0]].task, val)
            for those in places.values()
            if (val := learners[those[0]].val) is not None
        ]
        self.sums_of = [vectorized_sums] * len(self.groups)

    @torch.no_grad()
    def metrics(
        self, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], lost: Collection[int] = ()
    ) -> list[dict[str, float]]:
        """Returns the loss and the metrics of each model, as `evaluate` does.

        Args:
            weights: of all models `(K, ...)`, by their names.
            buffers: likewise.
            lost: the places of models that diverged, which have no metrics.

        Raises:
            ValueError: these models are validated in another way.
            RuntimeError: a layer or a loss cannot be vectorised.
        """
        if isinstance(self.model, Blending):
            raise ValueError("the blend of each is chosen by its validation")
        self.model.eval()
        measured: list[dict[str, float]] = [{} for _ in range(self.count)]
        for number, group in enumerate(self.groups):
            own = (parts_of(weights, group.places, self.count), parts_of(buffers, group.places, self.count))
            try:
                rows = self._measured(group, own, self.sums_of[number], lost)
            except RuntimeError:
                if self.sums_of[number] is sums_one_by_one:
                    raise
                rows = self._measured(group, own, sums_one_by_one, lost)
                self.sums_of[number] = sums_one_by_one
            for place, row in zip(group.places, rows, strict=True):
                measured[place] = row
        return measured

    def _measured(
        self, group: Group, own: tuple[Stacked, Stacked], sums_of: Sums, lost: Collection[int]
    ) -> list[dict[str, float]]:
        """Returns the metrics of a group of models, given their weights and buffers."""
        task, count = group.task, len(group.places)
        losses: Tensor | None = None
        sums: Tensor | None = None
        divisor = torch.zeros((), dtype=torch.float64)
        for batch in divided(group.loader, max(FEWEST, AT_ONCE // count)):

            def output_of(weights: Stacked, buffers: Stacked, inputs: tuple[Tensor, ...] = batch.inputs) -> Tensor:
                return task.combine_members(functional_call(self.model, (weights, buffers), inputs))

            def loss_of(output: Tensor, batch: Batch = batch) -> Tensor:
                return task.objective(output, *batch.weighted_target)

            outputs = vmap(output_of)(*own)
            weight = task.loss.weight(*batch.weighted_target)
            loss, update = vmap(loss_of)(outputs).double() * weight, sums_of(task, outputs, batch)
            losses = loss if losses is None else losses + loss
            sums = update if sums is None else sums + update
            divisor = divisor.to(loss.device) + weight
        assert losses is not None and sums is not None, "there is at least one batch"
        means, sums = (losses / divisor).tolist(), sums.cpu()
        return [
            {} if place in lost else {"loss": mean, **task.metric.compute(row)}
            for place, mean, row in zip(group.places, means, sums, strict=True)
        ]


def vectorized_sums(task: Task, outputs: Tensor, batch: Batch) -> Tensor:
    """Returns the sums of the metric for the outputs `(K, B, ...)` of all models, computed at once."""
    sums: Tensor = vmap(lambda output: task.metric.sums_of(task.decode(output), *batch.weighted_target))(outputs)
    return sums


def sums_one_by_one(task: Task, outputs: Tensor, batch: Batch) -> Tensor:
    """Returns the same, model by model."""
    return torch.stack([task.metric.sums_of(task.decode(output), *batch.weighted_target) for output in outputs])


def parts_of(stacked: Mapping[str, Tensor], places: Sequence[int], count: int) -> Stacked:
    """Returns the stacked tensors of some of `count` models."""
    return dict(stacked) if len(places) == count else {name: one[list(places)] for name, one in stacked.items()}


def divided(loader: Loader, most: int) -> Iterator[Batch]:
    """Passes on batches, divided so that none has more than `most` samples."""
    for batch in loader:
        for start in range(0, len(batch.target), most):
            part = slice(start, start + most)
            weights = None if batch.weights is None else batch.weights[part]
            yield Batch(tuple(tensor[part] for tensor in batch.inputs), batch.target[part], weights)
