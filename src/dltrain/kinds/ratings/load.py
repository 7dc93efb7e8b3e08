"""Loads ratings of items by users: `data=ratings`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import numpy as np
import torch

from dltrain.data.folds import FoldOption, Folds, FoldsOption, by_fold
from dltrain.data.samples.ratings_and_series import generate_ratings
from dltrain.data.splits import Fraction
from dltrain.data.table_format import Header, TableFormat
from dltrain.errors import DataError
from dltrain.kinds.ratings.choices import SplitChoice, choose_what_is_learned
from dltrain.kinds.ratings.columns import Role, find_columns
from dltrain.kinds.ratings.counts import choose_count, weigh
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.kinds.ratings.lists import split_lists
from dltrain.kinds.ratings.matrix import Layout
from dltrain.kinds.ratings.read import (
    OnBad,
    Table,
    read_features,
    read_pairs,
    read_ratings,
    read_titles,
    without_unreadable_times,
)
from dltrain.kinds.ratings.samples import count_untrained, encode_splits, facts_of, order_within
from dltrain.kinds.ratings.splits import draw_ranked, find_order, is_known, split_ratings
from dltrain.memory import refuse_rows
from dltrain.types import Data, Range

NEGATIVES = 16  # unless the user or the model says otherwise
MANY_NEGATIVES = 64  # of which a few items may be drawn several times


def with_user_features(encoder: PairEncoder, path: str, encoding: str) -> tuple[PairEncoder, tuple[str, ...]]:
    """Returns an encoder that knows the features of users in a file, and those in it without ratings too; and notes."""
    features, others, notes = read_features(path, encoder.user, encoder.users, encoding, "user", with_others=True)
    trained, users = len(encoder.users), (*encoder.users, *others)
    known = (f"{len(others):,} users without training ratings are known by their features alone",) if others else ()
    return replace(encoder, users=users, user_features=features, trained=trained), (*notes, *known)


def check_negatives(negatives: int | None, items: int) -> None:
    """Checks that each choice is held against fewer items than there are.

    Raises:
        DataError: it is not.
    """
    if negatives is not None and negatives > max(MANY_NEGATIVES, items - 2):
        raise DataError(
            f"each choice would be held against {negatives:,} items, and there are {items:,}",
            where="data.negatives",
            fix=f"give fewer, or leave it out for {NEGATIVES}",
            override=f"data.negatives={NEGATIVES}",
        )


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
    user_features: str | None = None,
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
    negatives: Annotated[int, Range(1, 100_000)] | None = None,
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
            item: with `leave_last`, choices weigh log2(1 + count) in training, and rows of 0 are none. None if all
            weigh alike.
        dates: how dates are read, `auto` or one of the readings of `dltrain.data.dates.infer_dates`, such as `dmy`.
        titles: a file of items and their titles.
        item_features: a file of items and what they share, such as genres: each level has a vector beside the item's.
        user_features: likewise of users, such as ages. Users in it without ratings are known by their features.
        split: `random`; `time`, with the latest ratings for testing; `leave_last`, with each user's last rating for
            testing and the one before for validation; `user`, with the last rating of users that are held out, who are
            known by their other ratings and train nothing; or `auto`, which is `leave_last` for choices. With
            `leave_last` and `user` the model learns which items users choose, whatever the ratings, and ranks items. A
            fraction of 0 leaves a split out.
        choices: whether to learn which items users choose with the other splits too; always so without ratings.
        unrated: the number among the ratings that means "not rated", `none`, or `auto` to find it; where choices are
            learned, a number leaves its rows out, such as 0 for what was shown and not clicked.
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
        refuse_rows(rows, 200)
        table = Table(generate_ratings(rows, seed), (f"generated {rows} ratings: give your own with data.path",))
    else:
        form = TableFormat(encoding, delimiter, header, skip, comment, quote, sheet, points=True)
        table = read_ratings(path, form, layout)
    frame, notes = table.frame, table.notes
    given: dict[Role, str | None] = {"user": user, "item": item, "target": target, "time": time}
    found = find_columns(frame, {role: name or table.columns.get(role) for role, name in given.items()})
    columns: Mapping[Role, str] = found.columns
    columns, untimed = without_unreadable_times(frame, columns, time, str(dates))
    notes = (*notes, *found.notes, *untimed)
    if "target" not in columns:
        frame, more = split_lists(frame, columns["user"], columns["item"])
        notes += more
    learned = choose_what_is_learned(
        frame, columns, split=split, choices=choices, unrated=unrated, count=count, is_matrix=table.layout != "pairs"
    )
    frame, columns, split, ranking = learned.frame, learned.columns, learned.split, learned.ranking
    notes += learned.notes
    if count is not None:
        columns = {**columns, **choose_count(frame, count, ranking)}
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
            noun=learned.noun,
            in_order=table.in_order,
            folds=Folds.read(
                folds,
                fold,
                len(pairs),
                ordered="data.split=time" if split == "time" else "",
                why_single="which knows no users and items that are in its fold alone",
            ),
        )
        train, order = pairs.iloc[parts["train"]], find_order(pairs, table.in_order)
        known = is_known(parts, pairs["user"].to_numpy()) if split == "user" else np.zeros(len(train), dtype=bool)
        drawn: list[str] = []
        if ranking:
            check_negatives(negatives, pairs["item"].nunique())
            parts, drawn = draw_ranked(parts, pairs["item"].nunique(), seed)
        notes = (*read_notes, *how, *drawn, *title_notes)
        encoder = PairEncoder.fit(
            train[~known],
            columns,
            split=split,
            negatives=(negatives or NEGATIVES) if ranking else 0,
            titles=title_of,
            unrated=learned.gaps,
            spelling=learned.spelling,
            layout=table.layout,
            has_header=table.has_header,
        )
        if ranking:
            encoder = replace(encoder, ordered=order is not None, marks=learned.marks, count=count or "")
        if known.any():
            encoder = replace(encoder, users=(*encoder.users, *train["user"][known].unique().tolist()))
        if item_features is not None:
            of_items = read_features(item_features, columns["item"], encoder.items, encoding, "item")
            encoder, notes = replace(encoder, features=of_items.features), (*notes, *of_items.notes)
        if user_features is not None:
            encoder, more = with_user_features(encoder, user_features, encoding)
            notes += more
        if encoder.titles:
            notes += (f"titles of {sum(map(bool, encoder.titles)):,} of {len(encoder.items):,} items",)
        splits, rated = encode_splits(pairs, parts, encoder, title_of, learned.unrated)
        notes += count_untrained(splits)
        if ranking and order is not None:
            splits["train"] = replace(splits["train"], order=order_within(order, parts["train"]))
        if count is not None:
            splits["train"], weight_note = weigh(splits["train"], train["count"].to_numpy(), count)
            notes += (weight_note,)
        if known.any():
            weight = torch.ones(len(train)) if splits["train"].weight is None else splits["train"].weight
            splits["train"] = replace(splits["train"], weight=weight.masked_fill(torch.from_numpy(known), 0.0))
        facts = facts_of(encoder, train["target"].to_numpy(), scale_target and not ranking)
        return Data(facts, splits, notes=notes, kept=rated)

    return by_fold(divide, fold)
