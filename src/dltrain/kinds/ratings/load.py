"""Loads ratings of items by users: `data=ratings`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.cells import name_list, read_cells
from dltrain.data.column_names import pick_column
from dltrain.data.folds import FoldOption, Folds, FoldsOption, by_fold
from dltrain.data.samples.ratings_and_series import generate_ratings
from dltrain.data.splits import Fraction, Indices
from dltrain.data.table_format import Header, TableFormat
from dltrain.errors import DataError
from dltrain.kinds.ratings.columns import Role, counts_of, find_columns, may_be_ratings
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.kinds.ratings.matrix import Layout
from dltrain.kinds.ratings.read import OnBad, Table, read_features, read_pairs, read_ratings, read_titles
from dltrain.kinds.ratings.splits import SplitBy, find_order, split_ratings
from dltrain.kinds.ratings.unrated import find_unrated, read_unrated
from dltrain.types import Data, Facts, Range, Split, SplitName

SplitChoice = Literal["auto", "random", "time", "leave_last"]
NEGATIVES = 16  # unless the user or the model says otherwise
COUNTED_ROWS = "rows"  # as `data.count`
MOST_EVENTS = 10  # kinds of events that a note names


def ratings(
    *,
    path: str | None = None,
    target: str | None = None,
    user: str | None = None,
    item: str | None = None,
    time: str | None = None,
    count: str | None = None,
    dates: str | int = "auto",
    titles: str | None = None,
    item_features: str | None = None,
    split: SplitChoice = "auto",
    choices: bool = False,
    unrated: str | float = "auto",
    layout: Layout = "auto",
    on_bad: OnBad = "error",
    encoding: str = "auto",
    delimiter: str = "auto",
    header: Header = "auto",
    skip: int | str = "auto",
    comment: str = "auto",
    quote: str = "auto",
    sheet: str | int | None = None,
    rows: Annotated[int, Range(20)] = 20_000,
    negatives: Annotated[int, Range(1)] | None = None,
    scale_target: bool = True,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    folds: FoldsOption = None,
    fold: FoldOption = None,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads a table of user, item and rating, or of who chose what, or generates one; ids keep their spelling.

    Args:
        path: the file; None for generated ratings, of low rank with biases and a long tail.
        target: the column of ratings; None to find it by its name, as for the other columns, or without names by its
            cells. `leave_last` does not need it.
        user: the column of users.
        item: the column of items.
        time: the column of times, if there is one.
        count: a column of counts, such as how often a song was played, or `rows` to count the rows of each user and
            item: with `leave_last`, choices weigh log2(1 + count) in training. None if all weigh alike.
        dates: how dates are read, `auto` or one of the readings of `dltrain.data.dates.infer_dates`, such as `dmy`.
        titles: a file of items and their titles.
        item_features: a file of items and what they share, such as genres: each level has a vector beside the item's.
        split: `random`; `time`, with the latest ratings for testing; `leave_last`, with each user's last rating for
            testing and the one before for validation, where the model learns which items a user chooses, whatever the
            ratings, and ranks items; or `auto`, which is `leave_last` for choices. A fraction of 0 leaves a split out.
        choices: whether to learn which items users choose with the other splits too; always so without ratings.
        unrated: the number among the ratings that means "not rated", `none`, or `auto` to find it.
        layout: `pairs` for a row for each user and item; `users_in_rows` or `items_in_rows` for a matrix; or `auto`.
        on_bad: whether a row without user, item, numeric rating or, if there are times, time is refused or skipped.
        encoding: a Python encoding name, or `auto`.
        delimiter: one character, `tab`, or `auto`.
        header: `none` if the first line is data: the user before the item, ratings and times by their cells.
        skip: the number of lines above the table, or `auto`.
        comment: the character with which lines begin that are no rows, `none`, or `auto`; for CSV.
        quote: the character around cells, `none`, or `auto`; for CSV.
        sheet: the name of a sheet or its number, counted from 1; None to find it; for Excel.
        rows: the number of generated ratings.
        negatives: with `leave_last`, the number of other items for each chosen one, drawn again in every epoch; None
            for as many as the model asks for, else 16.
        scale_target: standardise the ratings inside the loss.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        folds: the number of folds of all ratings that are not for testing, with `leave_last` of the users, for
            cross-validation; None for none.
        fold: the fold that is the validation split, counted from 0; with `time` only what comes before it trains.
        seed: of generated ratings and of a random split.

    Raises:
        DataError: the file cannot be read as ratings, or there is nothing to learn from them.
    """
    if path is None:
        table = Table(generate_ratings(rows, seed), (f"generated {rows} ratings: give your own with data.path",))
    else:
        form = TableFormat(encoding, delimiter, header, skip, comment, quote, sheet, points=True)
        table = read_ratings(path, form, layout)
    frame, notes = table.frame, table.notes
    found = find_columns(frame, {"user": user, "item": item, "target": target, "time": time})
    columns, notes = dict(found.columns), (*notes, *found.notes)
    split = choose_split(split, frame, columns, choices)
    ranking = choices or split == "leave_last"
    noun = "rating" if "target" in columns else "choice"
    seen: pd.DataFrame | None = None
    gaps: tuple[float, ...] = ()
    if not ranking:
        gaps = _find_gaps(frame, columns["target"], unrated)
        frame, seen, gap_notes = _leave_out(frame, columns["target"], gaps)
        notes += gap_notes
    elif columns.pop("target", None) is not None:
        notes += ("the values of ratings make no difference: learns which user rated which item",)
    else:
        notes += _note_choices(frame, columns, count)
    if ranking and not choices:
        notes += ("data=choices picks the model for choices, and its settings",)
    if count is not None:
        columns |= _choose_count(frame, count, ranking)
    pairs, left_out = read_pairs(frame, columns, on_bad, str(dates))
    if not ranking and pairs["target"].nunique() == 1:
        raise DataError(
            f"every rating is {pairs['target'].iloc[0]:g}: there is nothing to predict",
            where="data.target",
            fix="learn which items users choose instead",
            override="data.split=leave_last",
        )
    roles = ", ".join(f"{role} {name}" for role, name in columns.items())
    read_notes = (*notes, f"columns: {roles}", *left_out)
    title_of: dict[str, str] = {}
    title_notes: tuple[str, ...] = ()
    if titles is not None:
        title_of, of_titles = read_titles(titles, columns["item"], pairs["item"].tolist(), encoding)
        title_notes = tuple(f"titles: {note}" for note in of_titles)

    def divide(fold: int | None) -> Data:
        parts, how = split_ratings(
            pairs,
            split,
            columns.get("time"),
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            seed=seed,
            noun=noun,
            in_order=table.layout == "pairs",
            folds=Folds.read(
                folds,
                fold,
                len(pairs),
                ordered="data.split=time" if split == "time" else "",
                why_single="which knows no users and items that are in its fold alone",
            ),
        )
        notes = (*read_notes, *how, *title_notes)
        train, order = pairs.iloc[parts["train"]], find_order(pairs, table.layout == "pairs")
        encoder = PairEncoder.fit(
            train,
            columns,
            split=split,
            negatives=(negatives or NEGATIVES) if ranking else 0,
            titles=title_of,
            unrated=gaps,
            layout=table.layout,
            has_header=table.has_header,
        )
        if ranking:
            encoder = replace(encoder, ordered=order is not None)
        if item_features is not None:
            features, feature_notes = read_features(item_features, columns["item"], encoder.items, encoding)
            encoder = replace(encoder, features=features)
            notes += feature_notes
        if encoder.titles:
            notes += (f"titles of {sum(map(bool, encoder.titles)):,} of {len(encoder.items):,} items",)
        splits, rated = _encode(pairs, parts, encoder, title_of, seen)
        notes += _count_untrained(splits)
        if ranking and order is not None:
            splits["train"] = replace(splits["train"], order=_order_within(order, parts["train"]))
        if count is not None:
            splits["train"], weight_note = _weigh(splits["train"], train["count"].to_numpy(), count)
            notes += (weight_note,)
        facts = _facts(encoder, train["target"].to_numpy(), scale_target and not ranking)
        return Data(facts, splits, notes=notes, kept=rated)

    return by_fold(divide, fold)


def choose_split(
    split: SplitChoice, frame: pd.DataFrame, columns: Mapping[Role, str], choices: bool = False
) -> SplitBy:
    """Returns how to split: `leave_last` where choices are to be learned or there are no ratings, else at random.

    Raises:
        DataError: there are no ratings, and the user wants another split, or a column may hold ratings.
    """
    if choices:
        return "leave_last" if split == "auto" else split
    if "target" in columns:
        return "random" if split == "auto" else split
    if split == "leave_last":
        return split
    others = may_be_ratings(frame, list(columns.values()))
    if split == "auto" and not others:
        return "leave_last"
    what = f"no column is called rating, and {others[0]!r} may hold ratings" if others else "there are no ratings"
    either = "name it, or learn which items users choose: data.split=leave_last"
    raise DataError(
        what,
        where="data.target",
        fix=either if others else "learn which items users choose instead",
        override=f"data.target={others[0]}" if others else "data.split=leave_last",
        replaces="" if others else "data.split",
    )


def _find_gaps(frame: pd.DataFrame, target: str, given: str | float) -> tuple[float, ...]:
    """Returns the numbers among the ratings that mean "not rated"."""
    number = read_unrated(given)
    if given == "auto":
        number = find_unrated(read_cells(frame[target]).as_numbers(), target)
    return () if number is None else (number,)


def _leave_out(
    frame: pd.DataFrame, target: str, gaps: Collection[float]
) -> tuple[pd.DataFrame, pd.DataFrame | None, tuple[str, ...]]:
    """Returns the rows with ratings, those without, and a note about these."""
    numbers = read_cells(frame[target]).as_numbers()
    missing = np.isin(numbers, list(gaps))
    if not missing.any():
        return frame, None, ()
    spelled = ", ".join(f"{number:g}" for number in gaps)
    share = 100 * missing.mean()
    note = f"{share:.0f} % of {target} are {spelled}, which is taken for not rated: {missing.sum():,} rows tell only "
    note += "what a user knows already (data.unrated=none keeps them; data.split=leave_last learns from them)"
    if missing.all():
        raise DataError(f"every rating is {spelled}", where="data.unrated", override="data.unrated=none")
    return frame[~missing], frame[missing], (note,)


def _choose_count(frame: pd.DataFrame, count: str, ranking: bool) -> dict[Role, str]:
    """Returns the column of counts; nothing where rows are counted.

    Raises:
        DataError: there is no such column, or ratings are predicted, which counts do not weigh.
    """
    if not ranking:
        raise DataError(
            "counts weigh choices, and this run predicts ratings",
            where="data.count",
            fix="learn which items users choose",
            override="data.split=leave_last",
            replaces="data.split",
        )
    if count == COUNTED_ROWS and count not in frame.columns:
        return {}
    pick_column(frame, "count", count, "")
    return {"count": count}


def _weigh(train: Split, counts: NDArray[np.float64], name: str) -> tuple[Split, str]:
    """Returns the training choices with weights by their counts `(N,)`, of mean 1, and a note on them.

    Raises:
        DataError: a count is negative.
    """
    if counts.min() < 0:
        raise DataError(f"{name} holds negative counts", where="data.count", override="data.count=null")
    weights = np.log2(1 + counts)
    weights /= weights.mean() or 1.0
    note = f"choices weigh log2(1 + {name}) in training: from {weights.min():.2g} to {weights.max():.2g} times the mean"
    return replace(train, weight=torch.from_numpy(weights.astype(np.float32))), note


def _note_choices(frame: pd.DataFrame, columns: Mapping[Role, str], count: str | None) -> tuple[str, ...]:
    """Returns notes on a table of who chose what, and on its counts and kinds of events, which make no difference."""
    note = "there are no ratings: learns which items users choose (data.target names a column of ratings)"
    taken = [*columns.values(), count or ""]
    counts = [f"{name} holds counts (data.count={name} weighs by them)" for name in counts_of(frame, taken)]
    cells = {name: read_cells(frame[name]) for name in frame.columns if name not in columns.values()}
    events = [
        f"{name} holds {name_list(column.values)}"
        for name, column in cells.items()
        if 1 < len(column.values) <= MOST_EVENTS and not column.all_numbers
    ]
    return note, *(f"{words}: each row counts as one choice" for words in (*counts, *events))


def _encode(
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


def _count_untrained(splits: Mapping[SplitName, Split]) -> tuple[str, ...]:
    """Returns a note about the ratings in each split whose user or item has no training rating, if there are any."""
    words = [
        f"{count} of the {name} ratings are of {role}s without training ratings"
        for name, split in splits.items()
        for role, indices in zip(("user", "item"), split.tensors, strict=True)
        if (count := int((indices == 0).sum()))
    ]
    return (", ".join(words) + "; the model treats them as unknown",) if words else ()


def _order_within(order: Indices, chosen: Indices) -> Tensor:
    """Returns the numbers of chosen rows, from the earliest to the latest.

    Args:
        order: all rows from the earliest to the latest.
        chosen: the rows, in ascending order.
    """
    return torch.from_numpy(np.searchsorted(chosen, order[np.isin(order, chosen)]))


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
