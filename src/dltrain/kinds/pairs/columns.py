"""Chooses the columns of sources and answers in a table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from dltrain.data.cells import name_list
from dltrain.data.column_names import pick_column, plain
from dltrain.errors import DataError
from dltrain.kinds.text.columns import Content, describe, judge_columns, numbers_rows

SOURCES = "source(s|text)?|src|questions?|inputs?|prompts?|query|wrong|misspell(ed|ing)|incorrect|original|instruction"
ANSWERS = (
    "targets?|targettext|tgt|trg|answers?|outputs?|responses?|completions?|replies|reply|correct(ed|ion)?|right|"
    "translations?|translated|solutions?|results?"
)
NO_PAIR = frozenset(["links", "paths", "nothing"])
ALIKE = 0.9  # share of the cells that begin with the same word, as attributions do
FEWEST = 4  # words of such a cell on average


def choose_columns(frame: pd.DataFrame, text: str | None, target: str | None) -> tuple[str, str, str]:
    """Returns the columns of sources and answers, and why these were chosen; empty where the user names both.

    Args:
        frame: the table.
        text: the column of sources that the user gives.
        target: the column of answers that the user gives.

    Raises:
        DataError: there is no such column, or it is open which ones are meant.
    """
    for key, given in (("text", text), ("target", target)):
        pick_column(frame, key, given, "")
    if text is not None and text == target:
        raise DataError(f"the column {text!r} cannot be both the source and the answer", where="data.target")
    if text is not None and target is not None:
        return text, target, ""
    contents = judge_columns(frame)
    free = (
        candidates(contents, (text, target))
        if len(contents) > 2
        else [name for name in contents if name not in (text, target)]
    )
    source = text or pick_column(frame[free], "text", None, SOURCES)
    answer = target or pick_column(frame[free], "target", None, ANSWERS, [source] if source else [])
    if source and answer:
        return source, answer, "by their names"
    remaining = [name for name in free if name not in (source, answer)]
    wanted = (source is None) + (answer is None)
    if len(remaining) > wanted:
        own = [name for name in remaining if not numbers_rows(name, frame[name], contents[name])]
        varied = [name for name in own if not begins_alike(frame[name], contents[name])]
        wordy = [name for name in varied if contents[name].carries == "words"]
        remaining = next((names for names in (own, varied, wordy) if len(names) == wanted), remaining)
    if len(remaining) != wanted:
        raise _open(frame, contents, remaining, source, answer)
    reason = "the only ones that are left" if len(frame.columns) > 2 else "in the order of the file"
    if source is None:
        source, *remaining = remaining
    return source, answer or remaining[0], reason


def is_usual(name: str) -> bool:
    """Tells whether a column has a usual name for sources or answers."""
    return re.fullmatch(f"{SOURCES}|{ANSWERS}", plain(name)) is not None


def candidates(contents: Mapping[str, Content], taken: Collection[str | None]) -> list[str]:
    """Returns the columns that may hold sources or answers and have no role yet."""
    return [
        name
        for name, content in contents.items()
        if name not in taken and content.carries not in NO_PAIR and content.distinct > 1
    ]


def begins_alike(column: pd.Series[Any], content: Content) -> bool:
    """Tells whether nearly all cells are sentences that begin with the same word, as licences and sources do."""
    if content.carries != "words" or content.words < FEWEST:
        return False
    firsts = Counter(str(cell).split(maxsplit=1)[0] for cell in column.dropna() if str(cell).strip())
    return bool(firsts) and firsts.most_common(1)[0][1] > ALIKE * firsts.total()


def _open(
    frame: pd.DataFrame, contents: Mapping[str, Content], remaining: list[str], source: str | None, answer: str | None
) -> DataError:
    """Returns the error for a table whose columns do not say which are meant."""
    columns = name_list(describe(contents), 10)
    if len(remaining) + bool(source) + bool(answer) < 2:
        only = f"only {columns}" if len(frame.columns) > 1 else f"the one column {columns}"
        return DataError(
            f"a pair is a source and its answer, and the table has {only}",
            where="data.path",
            fix="give a table with two columns of texts, or a second file of answers: data.target_path=FILE",
        )
    if source is not None or answer is not None:
        key, given = ("target", f"sources are in {source!r}") if source else ("text", f"answers are in {answer!r}")
        what = f"{given}, and which column holds the {'answers' if source else 'sources'} is open"
        return DataError(what, where=f"data.{key}", fix=f"name one of {name_list(remaining)}: data.{key}=COLUMN")
    return DataError(
        f"which columns hold sources and answers is open: {columns}",
        where="data.text",
        fix="name both: data.text=COLUMN data.target=COLUMN",
    )
