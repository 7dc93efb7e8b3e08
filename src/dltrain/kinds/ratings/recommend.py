"""Recommends items that a user has not rated, ordered by their predicted ratings or scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from io import StringIO

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from dltrain.data.cells import nearest
from dltrain.errors import ConfigError
from dltrain.kinds.kind import UsableModel
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.kinds.ratings.fold_in import fold_in
from dltrain.runs.folder import RunDir
from dltrain.runs.tables import CsvWriter
from dltrain.storage import write_text
from dltrain.tasks.order import Score, ScoresAfter, ScoresItems, rated_by, score_all, scored_by, top_items
from dltrain.tasks.task import Task
from dltrain.types import Data

PAGE_USERS, PAGE_ITEMS = 5, 10  # on a run's page
AT_ONCE = 256  # users whose items are scored together


def recommend(model: UsableModel, users: Sequence[str], top: int) -> tuple[pd.DataFrame, list[str]]:
    """Returns the best `top` items for each user: `user`, `place`, `item`, `title` if there are titles, `predicted`;
    and remarks about new users, for whom all items are new and come in the order that suits users in general.

    Raises:
        CheckpointError: the run's record of rated items is missing.
    """
    encoder = model.encoder
    assert isinstance(encoder, PairEncoder)
    score = scored_by(model.module, model.device)
    frames = [best_items(encoder, model.task, model.kept, score, user, top) for user in users]
    new = [user for user, index in zip(users, encoder.encode_users(users).tolist(), strict=True) if index == 0]
    order = "items come in the order that suits users in general; --likes A,B,C goes by items that they like"
    remarks = [f"user {user} is new: {order}" for user in new]
    return pd.concat(frames), remarks


def recommend_to_all(model: UsableModel, top: int) -> Iterator[pd.DataFrame]:
    """Yields the best `top` items for all users of training, some hundred users at a time, as `recommend` does."""
    encoder = model.encoder
    assert isinstance(encoder, PairEncoder)
    scores_of = scores_of_all(model.module, encoder.sizes[1], model.device)
    items, titles = np.array(encoder.items, dtype=object), np.array(encoder.titles, dtype=object)
    count = min(top, len(items))
    for start in range(1, encoder.sizes[0], AT_ONCE):
        users = torch.arange(start, min(start + AT_ONCE, encoder.sizes[0]))
        scores = scores_of(users)
        scores[:, 0] = -torch.inf
        for row, user in zip(scores, users.tolist(), strict=True):
            row[rated_by(user, model.kept)] = -torch.inf
        values, best = scores.topk(count, dim=1)
        finite = values.isfinite()
        chosen = best[finite].numpy() - 1
        columns: dict[str, object] = {
            "user": np.repeat(np.array(encoder.users, dtype=object)[users - 1], finite.sum(dim=1).numpy()),
            "place": np.tile(np.arange(1, count + 1), (len(users), 1))[finite.numpy()],
            "item": items[chosen],
        }
        if encoder.titles:
            columns["title"] = titles[chosen]
        columns["predicted"] = model.task.decode(values[finite][:, None]).flatten().tolist()
        yield pd.DataFrame(columns)


def scores_of_all(module: nn.Module, count: int, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Returns a function from users `(B,)` to the scores of every item, `(B, count)`, in the model's own way if it has
    one."""
    if not isinstance(module, ScoresItems):
        score = scored_by(module, device)
        return lambda users: score_all(users, count, score)
    module.eval()

    @torch.no_grad()
    def score_users(users: Tensor) -> Tensor:
        return module.score_items(users.to(device)).float().cpu()

    return score_users


def recommend_by_likes(model: UsableModel, likes: Sequence[str], top: int) -> tuple[pd.DataFrame, list[str]]:
    """Returns the best `top` items for a new user who likes some, and remarks about those that the model does not know.

    Args:
        model: the trained model.
        likes: ids or titles of items, one or several between commas; models that go by the order read them from the
            first choice to the last.
        top: how many items to return, without those that are liked.

    Raises:
        ConfigError: the model knows none of the items, or it has no vectors of users.
    """
    encoder = model.encoder
    assert isinstance(encoder, PairEncoder)
    index = {title.casefold(): at for at, title in enumerate(encoder.titles, 1) if title}
    index |= {item: at for at, item in enumerate(encoder.items, 1)}
    found = [pair for text in likes for pair in find_items(text, index)]
    unknown = [name for name, at in found if not at]
    if len(unknown) == len(found):
        near = nearest(unknown[0], [*encoder.items, *filter(None, encoder.titles)]) if unknown else []
        raise ConfigError(
            f"the model knows no item {unknown[0]!r}" if unknown else "no item is named",
            where="--likes",
            fix=f"did you mean {near[0]}?" if near else f"give items of {encoder.item} by id or title, between commas",
        )
    items = torch.tensor(list(dict.fromkeys(at for _, at in found if at)))
    stored = {"rated": items.to(torch.int32), "rated_until": torch.tensor([0, len(items)])}
    frame = best_items(encoder, model.task, stored, score_likes(model, items, encoder.ranks_items), None, top)
    return frame, [f"the model knows no item {like!r}, which is left out" for like in unknown]


@torch.no_grad()
def _score_after(module: ScoresAfter, items: Tensor, device: torch.device) -> Score:
    scores = module.score_after(items.to(device)).float().cpu()
    return lambda _, item: scores[item]


def score_likes(model: UsableModel, items: Tensor, ranking: bool) -> Score:
    """Returns a function that scores items for a new user who likes items `(N,)`, whatever the user's number."""
    if isinstance(model.module, ScoresAfter):
        return _score_after(model.module, items, model.device)
    folded = fold_in(model.module, model.task, items.sort().values, ranking)
    return scored_by(folded, model.device)


def find_items(text: str, index: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yields the names of items in a text, and the index of each, 0 for an unknown one; a title may have commas."""
    parts, start = text.split(","), 0
    while start < len(parts):
        for end in range(len(parts), start, -1):
            name = ",".join(parts[start:end]).strip()
            if at := index.get(name) or index.get(name.casefold()):
                break
        if name:
            yield name, at or 0
        start = end


def best_items(
    encoder: PairEncoder, task: Task, stored: Mapping[str, Tensor], score: Score, user: str | None, top: int
) -> pd.DataFrame:
    """Returns the best items for one user, as `recommend` does for several; for a new one without an id, who has
    rated what the first user in `stored` has, no column `user`."""
    index = 1 if user is None else int(encoder.encode_users([user]).item())
    items, scores = top_items(index, stored, encoder.sizes[1], score, top)
    chosen = (items - 1).tolist()
    columns: dict[str, object] = {} if user is None else {"user": user}
    columns |= {
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
