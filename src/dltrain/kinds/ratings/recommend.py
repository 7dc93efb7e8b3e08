"""Recommends items that a user has not rated, ordered by their predicted ratings or scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from dltrain.kinds.kind import UsableModel
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.runs.folder import RunDir
from dltrain.runs.tables import CsvWriter
from dltrain.storage import write_text
from dltrain.tasks.order import Score, scored_by, top_items
from dltrain.tasks.task import Task
from dltrain.types import Data

PAGE_USERS, PAGE_ITEMS = 5, 10  # on a run's page


def recommend(model: UsableModel, users: Sequence[str], top: int) -> tuple[pd.DataFrame, list[str]]:
    """Returns the best `top` items for each user: `user`, `place`, `item`, `title` if there are titles, `predicted`;
    and remarks about new users, for whom all items are new and the items' biases decide.

    Raises:
        CheckpointError: the run's record of rated items is missing.
    """
    encoder = model.encoder
    assert isinstance(encoder, PairEncoder)
    score = scored_by(model.module, model.device)
    frames = [best_items(encoder, model.task, model.kept, score, user, top) for user in users]
    new = [user for user, index in zip(users, encoder.encode_users(users).tolist(), strict=True) if index == 0]
    remarks = [f"user {user} is new: all items are considered, and the items' biases decide" for user in new]
    return pd.concat(frames), remarks


def best_items(
    encoder: PairEncoder, task: Task, stored: Mapping[str, Tensor], score: Score, user: str, top: int
) -> pd.DataFrame:
    """Returns the best items for one user, as `recommend` does for several."""
    items, scores = top_items(int(encoder.encode_users([user]).item()), stored, encoder.sizes[1], score, top)
    chosen = (items - 1).tolist()
    columns: dict[str, object] = {
        "user": user,
        "place": np.arange(1, len(chosen) + 1),
        "item": [encoder.items[item] for item in chosen],
    }
    if encoder.titles:
        columns["title"] = [encoder.titles[item] for item in chosen]
    columns["predicted"] = task.decode(scores[:, None]).flatten().tolist()
    return pd.DataFrame(columns)


def save_recommendations(run: RunDir, data: Data, task: Task, model: nn.Module, device: torch.device) -> None:
    """Writes recommendations.csv for a few users, from those with few ratings to those with many."""
    until = data.kept["rated_until"]
    order = torch.argsort(until.diff(), stable=True)
    shares = (np.arange(PAGE_USERS) + 0.5) / PAGE_USERS
    chosen = sorted({int(order[int(share * len(order))]) for share in shares})
    encoder, score = PairEncoder.of(data.facts), scored_by(model, device)
    frames = [best_items(encoder, task, data.kept, score, encoder.users[user], PAGE_ITEMS) for user in chosen]
    text = StringIO()
    CsvWriter(text).write(pd.concat(frames))
    write_text(run.recommendations, text.getvalue())
