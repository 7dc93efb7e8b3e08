"""Loads ratings of items by users: `data=ratings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.column_names import required
from dltrain.data.samples.ratings_and_series import generate_ratings
from dltrain.data.splits import Fraction, Indices
from dltrain.data.table_files import read_table
from dltrain.data.table_format import Header
from dltrain.errors import DataError
from dltrain.kinds.ratings.columns import find_columns
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.kinds.ratings.read import OnBad, read_pairs, read_titles
from dltrain.kinds.ratings.splits import SplitBy, split_ratings
from dltrain.types import Data, Facts, Range, Split, SplitName


def ratings(
    *,
    path: str | None = None,
    target: str | None = None,
    user: str | None = None,
    item: str | None = None,
    time: str | None = None,
    dates: str | int = "auto",
    titles: str | None = None,
    split: SplitBy = "random",
    on_bad: OnBad = "error",
    encoding: str = "auto",
    delimiter: str = "auto",
    header: Header = "auto",
    rows: Annotated[int, Range(20)] = 20_000,
    negatives: Annotated[int, Range(1)] = 16,
    scale_target: bool = True,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads a table of user, item and rating, or generates one; ids keep their spelling.

    Args:
        path: the file; None for generated ratings, of low rank with biases and a long tail.
        target: the column of ratings; None to find it by its name, as for the other columns. `leave_last` does not need
            it.
        user: the column of users.
        item: the column of items.
        time: the column of times, if there is one.
        dates: how dates are read, `auto` or one of the readings of `dltrain.data.dates.infer_dates`, such as `dmy`.
        titles: a file of items and their titles.
        split: `random`; `time`, with the latest ratings for testing; or `leave_last`, with each user's last rating for
            testing and the one before for validation. With `leave_last` the model learns which items a user chooses,
            whatever the ratings, and ranks items. A fraction of 0 leaves a split out.
        on_bad: whether a row without user, item, numeric rating or, if there are times, time is refused or skipped.
        encoding: a Python encoding name, or `auto`.
        delimiter: one character, `tab`, or `auto`.
        header: `none` if the first line is data: user, item, rating and perhaps time, in this order.
        rows: the number of generated ratings.
        negatives: with `leave_last`, the number of other items for each chosen one, drawn again in every epoch.
        scale_target: standardise the ratings inside the loss.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: of generated ratings and of a random split.

    Raises:
        DataError: the file cannot be read as ratings, or there is nothing to learn from them.
    """
    notes: tuple[str, ...]
    if path is None:
        frame, notes = generate_ratings(rows, seed), (f"generated {rows} ratings: give your own with data.path",)
    else:
        frame, notes = read_table(path, encoding, delimiter, header)
    columns = find_columns(frame, {"user": user, "item": item, "target": target, "time": time}, header)
    ranking = split == "leave_last"
    if not ranking:
        columns["target"] = required(frame, "target", columns.get("target"), list(columns.values()))
    elif columns.pop("target", None) is not None:
        notes += ("leave_last ignores the values of ratings, and learns which user rated which item",)
    pairs, left_out = read_pairs(frame, columns, on_bad, str(dates))
    if not ranking and pairs["target"].nunique() == 1:
        raise DataError(
            f"every rating is {pairs['target'].iloc[0]:g}: there is nothing to predict",
            where="data.target",
            fix="learn which items users choose instead",
            override="data.split=leave_last",
        )
    parts, how = split_ratings(
        pairs, split, columns.get("time"), val_fraction=val_fraction, test_fraction=test_fraction, seed=seed
    )
    roles = ", ".join(f"{role} {name}" for role, name in columns.items())
    notes += (f"columns: {roles}", *left_out, *how)
    title_of: dict[str, str] = {}
    if titles is not None:
        title_of, title_notes = read_titles(titles, columns["item"], encoding, delimiter)
        notes += title_notes

    train = pairs.iloc[parts["train"]]
    encoder = PairEncoder.fit(train, columns, split=split, negatives=negatives if ranking else 0, titles=title_of)
    if encoder.titles:
        notes += (f"titles of {sum(map(bool, encoder.titles)):,} of {len(encoder.items):,} items",)
    splits, rated = _encode(pairs, parts, encoder, title_of)
    notes += _count_untrained(splits)
    facts = _facts(encoder, train["target"].to_numpy(), scale_target and not ranking)
    return Data(facts, splits, notes=notes, kept=rated)


def _encode(
    pairs: pd.DataFrame, parts: Mapping[SplitName, Indices], encoder: PairEncoder, title_of: Mapping[str, str]
) -> tuple[dict[SplitName, Split], dict[str, Tensor]]:
    """Returns the splits, and the items that each user has rated in any of them."""
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
    return splits, rated_items(users, items, len(encoder.users))


def _in_words(pairs: pd.DataFrame, encoder: PairEncoder, title_of: Mapping[str, str]) -> tuple[str, ...]:
    """Returns user and item of each rating in words: `userId 15, movieId 318, The Shawshank Redemption`."""
    return tuple(
        f"{encoder.user} {user}, {encoder.item} {item}" + (f", {title}" if (title := title_of.get(item, "")) else "")
        for user, item in zip(pairs["user"], pairs["item"], strict=True)
    )


def _count_untrained(splits: Mapping[SplitName, Split]) -> tuple[str, ...]:
    """Returns a note about the ratings in each split whose user or item has no training rating, if there are any."""
    words = [
        f"{count} of the {name} ratings are of {role}s without training ratings"
        for name, split in splits.items()
        for role, indices in zip(("user", "item"), split.inputs, strict=True)
        if (count := int((indices == 0).sum()))
    ]
    return (", ".join(words) + "; the model treats them as unknown",) if words else ()


def _facts(encoder: PairEncoder, ratings: NDArray[np.float64], scale_target: bool) -> Facts:
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
