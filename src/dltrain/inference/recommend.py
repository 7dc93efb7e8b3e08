"""What to recommend: the items that a user has not rated, in the order of what they are expected to be given."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dltrain.errors import ConfigError
from dltrain.experiment.build import Setup
from dltrain.inference.load import LoadedModel
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.runs.folder import RunDir, write_text
from dltrain.runs.tables import CsvWriter
from dltrain.tasks.ranking import Score, scored_by, top_items
from dltrain.tasks.task import Task
from dltrain.types import Facts

SHOWN_USERS, SHOWN_ITEMS = 5, 10  # on a run's page


def recommend(model: LoadedModel, user: str, top: int) -> tuple[pd.DataFrame, bool]:
    """The best `top` items for a user: `user`, `place`, `item`, `title` where there are titles, `predicted`.

    Returns:
        The items, and whether the user is known; to one who is not, all items are new, and the items' own biases count.

    Raises:
        ConfigError: the model recommends nothing.
        CheckpointError: the run lacks the record of what has been rated.
    """
    if not isinstance(model.encoder, PairEncoder):
        raise ConfigError("the run's model does not recommend: its data is no ratings", where="--user")
    users = model.encoder.ids[0][1]
    index = int(users.get_indexer(pd.Index([user]))[0]) + 1
    score = scored_by(model.module, model.device)
    return best_items(model.facts, model.task, model.kept, score, user, index, top), index > 0


def best_items(
    facts: Facts, task: Task, kept: Mapping[str, Tensor], score: Score, user: str, index: int, top: int
) -> pd.DataFrame:
    """As `recommend`, for the user of an index."""
    said = facts.preprocessing
    items, scores = top_items(index, kept, facts.vocab_sizes[1], score, top)
    chosen = (items - 1).tolist()
    columns: dict[str, object] = {
        "user": user,
        "place": np.arange(1, len(chosen) + 1),
        "item": [said["items"][item] for item in chosen],
    }
    if "titles" in said:
        columns["title"] = [said["titles"][item] for item in chosen]
    columns["predicted"] = task.point(scores[:, None]).flatten().tolist()
    return pd.DataFrame(columns)


def save_recommendations(run: RunDir, setup: Setup) -> None:
    """Writes recommendations.csv for a few users, from those who rated little to those who rated much; else nothing."""
    data = setup.data
    if data.facts.kind != "ratings":
        return
    until = data.kept["rated_until"]
    order = torch.argsort(until.diff(), stable=True)
    shares = (np.arange(SHOWN_USERS) + 0.5) / SHOWN_USERS
    chosen = sorted({int(order[int(share * len(order))]) for share in shares})
    score = scored_by(setup.state.judged, setup.device)
    users = data.facts.preprocessing["users"]
    frames = [
        best_items(data.facts, setup.task, data.kept, score, users[user], user + 1, SHOWN_ITEMS) for user in chosen
    ]
    text = StringIO()
    CsvWriter(text).write(pd.concat(frames))
    write_text(run.recommendations, text.getvalue())
