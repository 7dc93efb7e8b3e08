"""Turns ratings that are read and split into samples, the items that each user knows, and the facts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.splits import Indices
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.types import Facts, Split, SplitName


def encode_splits(
    pairs: pd.DataFrame,
    parts: Mapping[SplitName, Indices],
    encoder: PairEncoder,
    title_of: Mapping[str, str],
    seen: pd.DataFrame | None,
) -> tuple[dict[SplitName, Split], dict[str, Tensor]]:
    """Returns the splits, and the items that each user has rated in any of them, or knows without a rating."""
    users, items = encoder.encode_users(pairs["user"]), encoder.encode_items(pairs["item"])
    target = encoder.encode_ratings(pairs["target"].to_numpy())
    rows = pairs["row"].to_numpy()
    splits = {
        name: Split(
            (users[at], items[at]),
            target[at],
            tuple(map(str, rows[at])),
            () if name == "train" else _in_words(pairs.iloc[at], encoder, title_of),
        )
        for name, at in parts.items()
    }
    if seen is not None:
        known = encoder.encode(seen).inputs
        users, items = torch.cat([users, known[0]]), torch.cat([items, known[1]])
        users, items = torch.unique(torch.stack([users, items]), dim=1).unbind()
    return splits, rated_items(users, items, len(encoder.users))


def _in_words(pairs: pd.DataFrame, encoder: PairEncoder, title_of: Mapping[str, str]) -> tuple[str, ...]:
    """Returns user and item of each rating in words: `userId 15, movieId 318, The Shawshank Redemption`."""
    return tuple(
        f"{encoder.user} {user}, {encoder.item} {item}" + (f", {title}" if (title := title_of.get(item, "")) else "")
        for user, item in zip(pairs["user"], pairs["item"], strict=True)
    )


def count_untrained(splits: Mapping[SplitName, Split]) -> tuple[str, ...]:
    """Returns a note about the ratings in each split whose user or item has no training rating, if there are any."""
    words = [
        f"{count} of the {name} ratings are of {role}s without training ratings"
        for name, split in splits.items()
        for role, indices in zip(("user", "item"), split.tensors, strict=True)
        if (count := int((indices == 0).sum()))
    ]
    return (", ".join(words) + "; the model treats them as unknown",) if words else ()


def order_within(order: Indices, chosen: Indices) -> Tensor:
    """Returns the numbers of chosen rows, from the earliest to the latest.

    Args:
        order: all rows from the earliest to the latest.
        chosen: the rows, in ascending order.
    """
    return torch.from_numpy(np.searchsorted(chosen, order[np.isin(order, chosen)]))


def facts_of(encoder: PairEncoder, ratings: NDArray[np.float64], scale_target: bool) -> Facts:
    """Returns the facts, with the scale and the range of the training ratings `(N,)`."""
    return Facts(
        kind="ratings",
        task="ranking" if encoder.ranks_items else "rating",
        input_shape=(2,),
        target=encoder.rating or encoder.item,
        features=(encoder.user, encoder.item),
        vocab_sizes=encoder.sizes,
        target_mean=float(ratings.mean()) if scale_target else 0.0,
        target_std=(float(ratings.std()) or 1.0) if scale_target else 1.0,
        target_range=() if encoder.ranks_items else (float(ratings.min()), float(ratings.max())),
        preprocessing=encoder.to_json(),
    )


def rated_items(user: Tensor, item: Tensor, users: int) -> dict[str, Tensor]:
    """Returns the items that each user has rated in any split: `rated`, int32, user by user, and `rated_until`.

    Args:
        user: `(N,)` from 1; 0 is left out.
        item: `(N,)` likewise.
        users: the number of users; user n has `rated[rated_until[n - 1] : rated_until[n]]`.
    """
    trained = (user > 0) & (item > 0)
    user, item = user[trained], item[trained]
    order = torch.argsort(user, stable=True)
    until = torch.bincount(user, minlength=users + 1).cumsum(0)
    return {"rated": item[order].to(torch.int32), "rated_until": until}
