"""Chooses the blend of a model that consists of several candidates, by the validation split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from dltrain.models.auto import VOTES
from dltrain.tasks.precision import Precision, autocast
from dltrain.tasks.task import Task
from dltrain.types import Batch

MOST_SAMPLES = 20_000  # of the validation split that a blend is chosen by


@runtime_checkable
class Blending(Protocol):
    """A model that predicts by a blend of candidates."""

    @property
    def candidates(self) -> Mapping[str, int]:
        """Returns the number of members of each candidate; none if the model has no candidates."""
        ...

    def blend(self, votes: Sequence[int] | None) -> None:
        """Sets of which candidates a prediction is the mean; none for the members of all."""
        ...


class Choice(NamedTuple):
    """A blend, and what it was chosen by.

    Args:
        votes: of each candidate.
        losses: of each candidate alone on the validation split.
        loss: of the blend.
    """

    votes: Mapping[str, int]
    losses: Mapping[str, float]
    loss: float

    def __str__(self) -> str:
        shares = " + ".join(f"{count}/{VOTES} {name}" for name, count in self.votes.items() if count)
        alone = ", ".join(f"{name} {loss:.4g}" for name, loss in self.losses.items())
        return f"blend: {shares}, with a validation loss of {self.loss:.4g}; each alone: {alone}"


@torch.no_grad()
def choose_blend(
    model: Blending, task: Task, batches: Iterable[Batch], precision: Precision = "float32"
) -> Choice | None:
    """Sets the blend of a model with the lowest validation loss, and returns it; None if it has no candidates.

    Votes are given one after another, each to the candidate that lowers the loss of the blend most (Caruana et al.,
    2004, "Ensemble Selection from Libraries of Models").

    Args:
        model: the model.
        task: what it predicts.
        batches: of the validation split.
        precision: of the forward pass.
    """
    candidates = model.candidates
    if not candidates:
        return None
    model.blend(None)
    outputs, target = _outputs_of(model, task, batches, precision)

    def loss_of(votes: Sequence[int]) -> float:
        blended = task.combine_members(torch.stack([outputs[vote] for vote in votes], dim=1))
        return float(task.objective(blended, *target))

    names = list(candidates)
    losses = {name: loss_of([at]) for at, name in enumerate(names)}
    votes: list[int] = []
    for _ in range(VOTES):
        votes.append(min(range(len(names)), key=lambda at: loss_of([*votes, at])))
    alone = min(range(len(names)), key=lambda at: losses[names[at]])
    if losses[names[alone]] <= (loss := loss_of(votes)) or set(votes) == {alone}:  # the same but for rounding
        votes, loss = [alone] * VOTES, losses[names[alone]]
    model.blend(votes)
    return Choice({name: votes.count(at) for at, name in enumerate(names)}, losses, loss)


def _outputs_of(
    model: Blending, task: Task, batches: Iterable[Batch], precision: Precision
) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """Returns the outputs `(N, out_features)` of each candidate, and the target with its weights."""
    assert isinstance(model, torch.nn.Module)
    model.eval()
    device = next(model.parameters()).device
    sizes = list(model.candidates.values())
    parts: list[tuple[Tensor, ...]] = []
    answers: list[tuple[Tensor, ...]] = []
    for batch in batches:
        with autocast(precision, device):
            members = batch.output_of(model)[:, : sum(sizes)].split(sizes, dim=1)
        parts.append(tuple(task.combine_members(part.float()) for part in members))
        answers.append(batch.weighted_target)
    outputs = [torch.cat(some) for some in zip(*parts, strict=True)]
    target = tuple(torch.cat(some) for some in zip(*answers, strict=True))
    every = -(-len(target[0]) // MOST_SAMPLES)
    return [output[::every] for output in outputs], tuple(answer[::every] for answer in target)
