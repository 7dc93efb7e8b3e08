"""Ratings that users gave items, as data: `data=ratings`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.cells import LARGEST, Cells, name_list, read_cells, shorten
from dltrain.data.column_names import pick_column, plain, required
from dltrain.data.csv_reader import Header
from dltrain.data.dates import read_moments
from dltrain.data.samples.ratings_and_series import generate_ratings
from dltrain.data.splits import Fraction, Indices
from dltrain.data.table_files import read_table
from dltrain.errors import DataError, named_by
from dltrain.kinds.ratings.splits import SplitBy, split_ratings
from dltrain.types import Data, Facts, Range, Split, SplitName

# What such columns are called, as `naming.plain` spells it.
THINGS = "item|movie|film|book|product|anime|song|track|artist|business|game|joke|restaurant|recipe|course"
USER = r"(user|customer|reviewer|member|account|person)(id|name|index)?|uid|(用户|会员)(id|编号|名)?"
ITEM = rf"({THINGS})(id|index)?|iid|isbn|asin|(物品|电影|商品|图书|项目|课程)(id|编号)?"
RATING = rf"(user|{THINGS})?(rating|score|star)s?|overall|grade|评分|打分|得分|分数"
TIME = r"(unix)?(review|rating)?(timestamp|datetime|date|time)|(created|rated)(at|on)|时间|时间戳|日期"
TITLE = rf"({THINGS})?(title|name)|标题|片名|名称|书名|(电影|商品|图书|课程)(名|名称)"


def ratings(
    *,
    path: str | None = None,
    target: str | None = None,
    user: str | None = None,
    item: str | None = None,
    time: str | None = None,
    titles: str | None = None,
    split: SplitBy = "random",
    on_bad: Literal["error", "skip"] = "error",
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
    """Reads a table of user, item and rating, or invents one; ids are kept as they are spelled.

    Args:
        path: the file; none for generated ratings, of low rank with biases and a long tail.
        target: the column of ratings; none to find it by its name, as for the other columns. With `leave_last` none is
            needed or looked at.
        user: the column of users.
        item: the column of items.
        time: the column of times, where there is one.
        titles: a file of items and their titles.
        split: `random`; by `time`, the latest ratings test; or `leave_last`, each user's last rating tests and the one
            before validates. Then it is learned which items a user chooses, whatever rating follows, and the order
            that items are put in is measured. Fractions of 0 leave a split out.
        on_bad: whether a row without user, item, numeric rating or, where there are times, time is refused or skipped.
        encoding: a Python encoding name, or `auto`.
        delimiter: one character, `tab`, or `auto`.
        header: `none` where the first line is data: user, item, rating and perhaps time, in this order.
        rows: how many ratings are generated.
        negatives: with `leave_last`, other items that each chosen one is held against, drawn anew in every epoch.
        scale_target: standardise the ratings inside the loss.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: of generated ratings and of a random split.

    Raises:
        DataError: the file cannot be read as ratings, or they cannot be learned from.
    """
    notes: tuple[str, ...]
    if path is None:
        frame, notes = generate_ratings(rows, seed), (f"generated {rows} ratings: data.path names a file of real ones",)
    else:
        frame, notes = read_table(path, encoding, delimiter, header)
    ranking = split == "leave_last"
    names = _columns(frame, target, user, item, time, header)
    if not ranking:
        names["target"] = required(frame, "target", names.get("target"), list(names.values()))
    elif names.pop("target", None) is not None:
        notes = (*notes, "the ratings themselves are not looked at: who rated what is what counts with leave_last")
    found, said = _read(frame, names, on_bad)
    if not ranking and found["target"].nunique() == 1:
        raise DataError(
            f"every rating is {found['target'].iloc[0]:g}: there is nothing to predict",
            where="data.target",
            fix="learn which items users choose",
            override="data.split=leave_last",
        )
    parts, how = split_ratings(
        found, split, names.get("time"), val_fraction=val_fraction, test_fraction=test_fraction, seed=seed
    )
    shown = ", ".join(f"{key} {name}" for key, name in names.items())
    asked = {"split": split} | ({"negatives": negatives} if ranking else {})
    told = (*notes, f"columns: {shown}", *said, *how)
    if titles is not None:
        by_item, read = _read_titles(titles, names["item"], encoding, delimiter)
        found["title"], told = found["item"].map(by_item).fillna(""), (*told, *read)
    return _encode(found, parts, names, asked, scale_target and not ranking, told)


def _columns(
    frame: pd.DataFrame, target: str | None, user: str | None, item: str | None, time: str | None, header: Header
) -> dict[str, str]:
    """The name of the column of each role; `time` and `target` are left out where there is none."""
    if header == "none" and {target, user, item, time} == {None} and frame.shape[1] in (2, 3, 4):
        return dict(zip(("user", "item", "target", "time"), map(str, frame.columns), strict=False))
    given = {"user": (user, USER), "item": (item, ITEM), "target": (target, RATING), "time": (time, TIME)}
    found: dict[str, str] = {key: name for key, (name, _) in given.items() if name is not None}
    for key, (name, known) in given.items():
        others = [column for role, column in found.items() if role != key]
        column = pick_column(frame, key, name, known, others)
        if key in ("user", "item") or column is not None:
            found[key] = required(frame, key, column, others)
    return {key: found[key] for key in given if key in found}


def _read(frame: pd.DataFrame, names: Mapping[str, str], on_bad: str) -> tuple[pd.DataFrame, list[str]]:
    """Columns user, item, target and perhaps time, one row a pair of user and item, the last of several; the target is
    1 where there are no ratings.

    Raises:
        DataError: a cell is missing, or no number or time, or fewer than two rows are left.
    """
    cells = {key: read_cells(frame[name]) for key, name in names.items()}
    table = pd.DataFrame({key: _texts(cells[key]) for key in ("user", "item")})
    table["target"] = cells["target"].as_numbers() if "target" in cells else 1.0
    if "time" in cells:
        table["time"] = read_moments(cells["time"])
    good = np.ones(len(frame), dtype=bool)
    for key in cells:
        bad = cells[key].codes < 0 if key in ("user", "item") else ~(np.abs(table[key].to_numpy()) <= LARGEST)
        if bad.any() and on_bad == "error":
            raise _bad_cell(cells[key], bad, names[key], "rating" if key == "target" else key)
        good &= ~bad
    needed = "user, item, numeric rating or time" if "time" in cells else "user, item or numeric rating"
    said = [] if good.all() else [f"skipped {(~good).sum()} of {len(good)} rows without {needed}"]
    table = table[good]
    # Whoever rates anew has changed their mind.
    order = table.sort_values("time", kind="stable") if "time" in table else table
    kept = order.drop_duplicates(["user", "item"], keep="last").sort_index()
    if len(kept) < len(table):
        said.append(f"left out {len(table) - len(kept)} ratings that a later one of the same user and item replaces")
    if len(kept) < 2:
        raise DataError(f"{len(kept)} ratings are too few", where="data.path", fix="give more, to train and to test on")
    users, items = kept["user"].nunique(), kept["item"].nunique()
    said.append(f"{len(kept):,} ratings of {items:,} items by {users:,} users")
    return kept.reset_index(names="row"), said


def _texts(cells: Cells) -> NDArray[np.object_]:
    return np.array([*cells.values, ""], dtype=object)[cells.codes]


def _bad_cell(cells: Cells, bad: NDArray[np.bool_], name: str, role: str) -> DataError:
    at = int(bad.argmax())
    cell = shorten(cells.values[cells.codes[at]]) if cells.codes[at] >= 0 else "an empty cell"
    others = f" (and {bad.sum() - 1} more such cells)" if bad.sum() > 1 else ""
    return DataError(
        f"{cell} is no {role}{others}",
        where=f"row {cells.rows[at] + 2}, column {name!r} (the header is row 1)",
        fix="correct it, or leave such rows out",
        override="data.on_bad=skip",
    )


def _encode(
    table: pd.DataFrame,
    parts: Mapping[SplitName, Indices],
    names: Mapping[str, str],
    asked: Mapping[str, Any],
    scale_target: bool,
    notes: tuple[str, ...],
) -> Data:
    """Ids become numbers from 1, in the order of the training ratings; 0 is whoever else there is.

    What was `asked` of the split belongs to the facts: with negatives, items are to be put in order. A column `title`
    of the table belongs there too.
    """
    train = table.iloc[parts["train"]]
    ids = {key: pd.Index(train[key].unique()) for key in ("user", "item")}
    codes = {key: torch.from_numpy(index.get_indexer(table[key]).astype(np.int64) + 1) for key, index in ids.items()}
    target = torch.tensor(table["target"].to_numpy(np.float64))[:, None]  # (N, 1)
    seen = train["target"].to_numpy()
    unseen = [
        f"{count} of the {name} ratings are of {key}s without a training one"
        for name, index in parts.items()
        for key in codes
        if (count := int((codes[key].numpy()[index] == 0).sum()))
    ]
    ranking = "negatives" in asked
    titles: dict[str, list[str]] = {}
    if "title" in table:
        titles["titles"] = table.drop_duplicates("item").set_index("item")["title"][ids["item"]].tolist()
        notes = (*notes, f"titles of {sum(map(bool, titles['titles'])):,} of {len(ids['item']):,} items")
    facts = Facts(
        kind="ratings",
        task="ranking" if ranking else "rating",
        input_shape=(2,),
        target=names["item"] if ranking else names["target"],
        features=(names["user"], names["item"]),
        vocab_sizes=(len(ids["user"]) + 1, len(ids["item"]) + 1),
        target_mean=float(seen.mean()) if scale_target else 0.0,
        target_std=(float(seen.std()) or 1.0) if scale_target else 1.0,
        target_range=() if ranking else (float(seen.min()), float(seen.max())),
        preprocessing={
            "user": names["user"],
            "item": names["item"],
            "users": ids["user"].tolist(),
            "items": ids["item"].tolist(),
            **asked,
            **titles,
        },
    )
    rows = table["row"].to_numpy()
    splits = {
        name: Split(
            (codes["user"][index], codes["item"][index]),
            target[index],
            tuple(map(str, rows[index])),
            () if name == "train" else _in_words(table.iloc[index], names),
        )
        for name, index in parts.items()
    }
    if unseen:
        notes = (*notes, ", ".join(unseen) + ", and are met without it")
    return Data(facts, splits, notes=notes, kept=rated_items(codes["user"], codes["item"], len(ids["user"])))


def _in_words(table: pd.DataFrame, names: Mapping[str, str]) -> tuple[str, ...]:
    """Whose rating of what each is: `userId 15, movieId 318, The Shawshank Redemption`."""
    words = names["user"] + " " + table["user"] + ", " + names["item"] + " " + table["item"]
    if "title" in table:
        words += (", " + table["title"]).where(table["title"] != "", "")
    return tuple(words)


def rated_items(user: Tensor, item: Tensor, users: int) -> dict[str, Tensor]:
    """Which items each user has rated, whatever the split: `rated`, int32, user by user, and `rated_until`.

    Args:
        user: `(N,)` from 1; 0 is left out.
        item: `(N,)` likewise.
        users: how many there are; user n has `rated[rated_until[n - 1] : rated_until[n]]`.
    """
    known = (user > 0) & (item > 0)
    user, item = user[known], item[known]
    order = torch.argsort(user, stable=True)
    until = torch.bincount(user, minlength=users + 1).cumsum(0)
    return {"rated": item[order].to(torch.int32), "rated_until": until}


def _read_titles(path: str, item: str, encoding: str, delimiter: str) -> tuple[dict[Any, Any], tuple[str, ...]]:
    """The title of each item, and what there is to say of the file.

    Args:
        path: of a table.
        item: what the column of items is called in the table of ratings.
        encoding: as in `ratings`.
        delimiter: likewise.

    Raises:
        DataError: it cannot be read, or has no such columns.
    """
    with named_by("data.titles"):
        frame, notes = read_table(path, encoding, delimiter)
    try:
        known = rf"{re.escape(plain(item))}|{ITEM}|id"
        id_column = required(frame, "titles", pick_column(frame, "titles", None, known))
        title = required(frame, "titles", pick_column(frame, "titles", None, TITLE, [id_column]), [id_column])
    except DataError as error:
        raise DataError(
            f"{path} has no columns of items and titles: {name_list(frame.columns)}",
            where="data.titles",
            fix="call them item and title",
            override="data.titles=null",
        ) from error
    texts = (_texts(read_cells(frame[name])) for name in (id_column, title))
    return dict(zip(*texts, strict=True)), notes
