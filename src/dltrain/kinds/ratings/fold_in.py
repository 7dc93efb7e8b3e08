"""Folds a new user into a trained model: fits a vector of their own to a few items that they like."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from dltrain.data.seeding import seeded
from dltrain.errors import ConfigError
from dltrain.tasks.task import Task

STEPS = 50  # at most
SAMPLES = 1024  # at least, of liked items with others: each item stands in several where they are few
TABLES = ("user", "user_bias")  # the embeddings of users in a model


class OneUser(nn.Module):
    """The row of an embedding for one user, whatever the index.

    Args:
        start: the first values, `(width,)`.
    """

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.row = nn.Parameter(start.clone())

    def forward(self, index: Tensor) -> Tensor:
        return self.row.expand(*index.shape, -1)


def fold_in(module: nn.Module, task: Task, items: Tensor, ranking: bool, seed: int = 0) -> nn.Module:
    """Returns the model with one user instead of all, fitted to items that this user likes; the items stay as they are.

    Args:
        module: a trained model with an embedding `user`, and perhaps one `user_bias`; it does not change.
        task: the task that it was trained for.
        items: `(N,)` indices of the items, above 0.
        ranking: whether the task is to rank items; otherwise each of them has the highest rating.
        seed: of the items that the liked ones are held against.

    Raises:
        ConfigError: the model has no such embedding.
    """
    tables: Mapping[str, nn.Module] = dict(module.named_children())
    if not isinstance(tables.get("user"), nn.Embedding):
        raise ConfigError(
            "this model has no vectors of users, in which a new one has a place", where="--likes", fix="give --user"
        )
    folded = copy.copy(module)  # which shares everything but the users
    folded._modules = dict(module._modules)
    for name in TABLES:
        if isinstance(table := tables.get(name), nn.Embedding):
            setattr(folded, name, OneUser(table.weight[1:].detach().mean(dim=0)))
    rows = [cast(OneUser, getattr(folded, name)).row for name in TABLES if isinstance(tables.get(name), nn.Embedding)]
    users = torch.zeros(len(items), dtype=torch.int64, device=rows[0].device)
    liked = items.to(rows[0].device)
    if ranking:
        liked = _hold_against_others(liked, task, seed)
        users, target = (
            users[:1].expand(len(liked)),
            torch.ones(len(liked), 1, dtype=torch.float64, device=liked.device),
        )
    else:
        target = torch.full((len(items), 1), task.facts.target_range[1], dtype=torch.float64, device=liked.device)
    optimizer = torch.optim.LBFGS(rows, max_iter=STEPS, history_size=STEPS, line_search_fn="strong_wolfe")

    def measure() -> float:
        optimizer.zero_grad()
        loss = task.objective(folded(users, liked), target)
        loss.backward(inputs=rows)
        return float(loss.detach())

    was_training = module.training
    folded.train()  # for the penalty, which belongs to the loss
    for part in folded.modules():
        if isinstance(part, nn.Dropout):
            part.eval()
    optimizer.step(measure)
    module.train(was_training)
    return folded.eval()


def _hold_against_others(items: Tensor, task: Task, seed: int) -> Tensor:
    """Returns liked items, some of them several times, each with as many others as in training, `(S, 1 + count)`."""
    count, total = int(task.facts.preprocessing["negatives"]), task.facts.vocab_sizes[1]
    chosen = items.repeat(-(-SAMPLES // len(items)))[:, None]
    others = torch.randint(1, total, (len(chosen), count), generator=seeded(seed, 0)).to(items.device)
    others = torch.where(torch.isin(others, items), torch.zeros_like(others), others)  # item 0 has no vector
    return torch.cat([chosen, others], dim=1)
