"""Judges what the columns of a table carry: texts to read, labels to predict, or neither; and its first line."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import MISSING, name_list, shorten
from dltrain.data.column_names import plain
from dltrain.data.date_layouts import DIGITS, find_layouts
from dltrain.data.table_records import is_number_like
from dltrain.data.tokens import UNSPACED_LETTER
from dltrain.errors import DataError
from dltrain.kinds.joined_columns import UsedColumns
from dltrain.kinds.table.columns import looks_like_id

Carries = Literal["words", "names", "labels", "numbers", "dates", "links", "paths", "codes", "nothing"]

SAMPLE = 1000  # cells by which a column is judged
PROPOSED = 20_000  # rows by which it is judged whether a column can join the texts
MOST = 0.8  # of the cells, which have to be alike
FILLED = 0.05  # share of the cells, below which a column carries nothing
PROSE, UNSPACED_PROSE = 3.0, 6.0  # words, or characters of a script without spaces, of a cell on average
MOST_LABELS, LABEL_SHARE = 50, 0.05  # distinct cells of several words that are still labels
REPEATED = 0.5  # share of distinct cells of one word, below which they are labels
SPELLED = 0.95  # of the rows, in which a column tells the target, or is part of another one, to count as such
NUMERAL = r"[+-]?[\d.]+"
LINK = re.compile(r"(https?:|ftp:)?//\S+|www\.\S+|[\w-]+(\.[\w-]+)+(/\S*)?|[\w.+-]+@[\w-]+(\.[\w-]+)+", re.IGNORECASE)
PATH = re.compile(r"(?=.*[/\\])[^\s:*?\"<>|]+(\.\w{1,5})?|([A-Za-z]:|~|\.{1,2})?[/\\].*|\S+\.[A-Za-z]\w{1,4}")
CODE = re.compile(r"[0-9a-fA-F]{8,}|(?=.*\d)[\w{}.:+/=@#-]+")
HEADER_WORD = re.compile(r"[A-Za-z_][\w.-]*")
MARKS = frozenset(map(frozenset, (("0", "1"), ("no", "yes"), ("false", "true"), ("n", "y"), ("f", "t"))))


@dataclass(frozen=True)
class Content:
    """What a column carries, by a sample of its cells.

    Args:
        carries: what that is.
        words: the mean number of words of a cell; of characters where the script has no spaces.
        distinct: the number of distinct cells in the sample.
        filled: the share of cells that are not missing.
        two_valued: whether its cells are 0 and 1, or no and yes, and both occur.
    """

    carries: Carries
    words: float = 0.0
    distinct: int = 0
    two_valued: bool = False
    filled: float = 1.0

    @property
    def is_target(self) -> bool:
        """Tells whether it may be what is predicted."""
        return self.carries in ("labels", "numbers", "names") and self.distinct > 1


def judge_columns(frame: pd.DataFrame) -> dict[str, Content]:
    """Returns what each column of a table carries."""
    return {str(name): judge_column(frame[name]) for name in frame.columns}


def judge_column(column: pd.Series[Any]) -> Content:
    """Returns what a column carries."""
    at = _spaced(len(column), SAMPLE)
    sample = [str(cell).strip() for cell in column.iloc[at] if not pd.isna(cell)]
    cells = [cell for cell in sample if cell.casefold() not in MISSING]
    if len(cells) <= FILLED * len(at):
        return Content("nothing")
    distinct, two_valued = len(set(cells)), frozenset(map(str.casefold, cells)) in MARKS
    if _share(cells, is_number_like) >= MOST:
        carries: Carries = "dates" if _share(cells, _is_date) >= MOST else "numbers"
        return Content(carries, distinct=distinct, two_valued=two_valued)
    for pattern, alike in ((LINK, "links"), (PATH, "paths")):
        if _share(cells, pattern.fullmatch) >= MOST:
            return Content(alike, distinct=distinct)  # type: ignore[arg-type]
    if _share(cells, _is_date) >= MOST:
        return Content("dates", distinct=distinct)
    unspaced = _share(cells, UNSPACED_LETTER.search) > 1 - MOST
    words = float(np.mean([len(cell) if unspaced else len(cell.split()) for cell in cells]))
    if words >= (UNSPACED_PROSE if unspaced else PROSE) and distinct > max(2, LABEL_SHARE * len(cells)):
        return Content("words", words, distinct)
    if distinct <= (REPEATED * len(cells) if words < 2 else min(MOST_LABELS, LABEL_SHARE * len(cells))):
        return Content("labels", words, distinct, two_valued)
    if _share(cells, CODE.fullmatch) >= MOST:
        return Content("codes", words, distinct)
    return Content("names", words, distinct, filled=len(cells) / len(at))


def _spaced(count: int, most: int) -> NDArray[np.int64]:
    """Returns evenly spaced positions of at most so many rows."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64))


def _share(cells: Sequence[str], test: Any) -> float:
    return sum(bool(test(cell)) for cell in cells) / len(cells)


def _is_date(cell: str) -> bool:
    return bool(find_layouts(cell.translate(DIGITS))) and not cell.replace(".", "").replace(",", "").isdigit()


def find_excerpts(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """Returns the columns of texts that are parts of another one, row by row, and that column: what a reader marked in
    a text is not known of a new one."""
    at = _spaced(len(frame), SAMPLE)
    cells = {name: frame[name].iloc[at].fillna("").astype(str).str.casefold().str.strip() for name in names}
    found: dict[str, str] = {}
    for name, other in permutations(names, 2):
        pairs = [(part, whole) for part, whole in zip(cells[name], cells[other], strict=True) if part]
        shorter = any(len(part) < len(whole) for part, whole in pairs)
        if other not in found and shorter and sum(part in whole for part, whole in pairs) >= SPELLED * len(pairs):
            found[name] = other
    return found


def is_prose(name: str) -> bool:
    """Tells whether the name of a column reads like a text, as where the first line of a file is no header."""
    if HEADER_WORD.fullmatch(name) or name.rstrip().endswith(("?", ":")):
        return False
    return len(UNSPACED_LETTER.findall(name)) >= UNSPACED_PROSE or len(name.split()) > PROSE


def choose_texts(contents: Mapping[str, Content], taken: Collection[str | None]) -> tuple[tuple[str, ...], str]:
    """Returns the columns of texts, and how they were chosen: those that carry words, else the one of longest names.

    Args:
        contents: what the columns carry.
        taken: columns that have another role.
    """
    free = {name: content for name, content in contents.items() if name not in taken}
    words = tuple(name for name, content in free.items() if content.carries == "words")
    if words:
        return words, "which carries words" if len(words) == 1 else "which carry words"
    names = {
        name: content.words
        for name, content in free.items()
        if content.carries == "names" and content.filled > MOST / 2
    }
    if not names:
        labels = {name: content for name, content in free.items() if content.carries == "labels"}
        others = any(content.carries in ("codes", "links", "paths") for content in free.values())
        names = {} if others and len(labels) == 1 else {name: content.words for name, content in labels.items()}
    return ((max(names, key=names.__getitem__),), "which has the longest cells") if names else ((), "")


def describe(contents: Mapping[str, Content]) -> list[str]:
    """Returns the name of each column, and what it carries if that is no text: `url (links)`."""
    words = {"links": "links", "paths": "paths", "codes": "codes", "dates": "dates", "nothing": "hardly any cells"}
    return [
        f"{name} ({words[content.carries]})" if content.carries in words else name for name, content in contents.items()
    ]


def describe_unused(contents: Mapping[str, Content], used: Collection[str | None]) -> str:
    """Returns a note on columns that are neither texts nor targets; empty without any."""
    others = describe({name: content for name, content in contents.items() if name not in used})
    return f"not used: {name_list(others, 10)} (choose texts with data.text)" if others else ""


def numbers_rows(name: str, column: pd.Series[Any], content: Content) -> bool:
    """Tells whether a column only names its rows: whole numbers or ids, another one in each row."""
    if content.distinct < min(SAMPLE, len(column)) or content.carries not in ("numbers", "names"):
        return False
    if looks_like_id(name) or plain(name) in ("", "index", "column1"):
        return True
    return content.carries == "numbers" and all(str(cell).strip().isdigit() for cell in column.head(SAMPLE))


def find_joinable(
    frame: pd.DataFrame, contents: Mapping[str, Content], target: Sequence[str], taken: Collection[str | None]
) -> tuple[str, ...]:
    """Returns the columns of numbers and categories that can join the texts.

    A column that spells a target again, is named after one, or has another value in each row is none.

    Args:
        frame: the table.
        contents: what its columns carry.
        target: the columns to predict.
        taken: columns that have a role.
    """
    found = []
    frame = frame.iloc[_spaced(len(frame), PROPOSED)]
    for name, content in contents.items():
        if name in taken or content.carries not in ("numbers", "labels") or content.distinct < 2:
            continue
        named = any(plain(name).startswith(plain(column)) for column in target)
        if (
            named
            or looks_like_id(name)
            or numbers_rows(name, frame[name], content)
            or spells_target(frame, name, target)
        ):
            continue
        with suppress(DataError):
            UsedColumns.read(frame, [name])
            found.append(name)
    return tuple(found)


def spells_target(frame: pd.DataFrame, name: str, target: Sequence[str]) -> bool:
    """Tells whether a column spells a target again: it has the target's labels, or nearly each of its values that
    repeat, or its gaps, stands beside one label alone."""
    values = frame[name].astype(str).str.strip()
    for column in target:
        labels = frame[column].astype(str).str.strip().where(frame[column].notna())
        if set(values.unique()) <= set(labels.dropna().unique()) and not values.str.fullmatch(NUMERAL).all():
            return True
        usual = labels.value_counts(normalize=True).iloc[:1].sum()
        for told in (values.where(values.duplicated(keep=False)), frame[name].notna()):
            together = pd.DataFrame({"value": told, "label": labels}).dropna()
            counts = together.value_counts(sort=False).groupby(level="value")
            if len(together) and counts.max().sum() >= max(SPELLED, (1 + usual) / 2) * len(together):
                return True
    return False


def why_data(frame: pd.DataFrame, contents: Mapping[str, Content]) -> str:
    """Returns why the line that was taken for a header seems to be data; empty where it names columns.

    It is data where numbers stand above numbers or a label above its equals, or a text of many words above texts, and
    no cell of it looks like a name.

    Args:
        frame: with the cells of that line as its names.
        contents: what the columns carry below it.
    """
    reasons = []
    for position, (name, content) in enumerate(contents.items()):
        column = frame.iloc[:, position]
        if content.carries == "nothing" or name == f"column_{position + 1}":
            continue
        if content.carries in ("numbers", "dates"):
            if not is_number_like(name) and not _is_date(name):
                return ""
            reasons.append(f"{shorten(name)} stands above numbers")
        elif content.carries == "labels":
            if name.strip() in set(column.dropna().astype(str).str.strip()):
                reasons.append(f"{shorten(name)} is also a cell below it")
            elif HEADER_WORD.fullmatch(name):
                return ""
        elif content.carries in ("words", "names"):
            if HEADER_WORD.fullmatch(name) or name.rstrip().endswith(("?", ":")):
                return ""
        elif HEADER_WORD.fullmatch(name) and not CODE.fullmatch(name) and not LINK.fullmatch(name):
            return ""
    return reasons[0] if reasons else ""
