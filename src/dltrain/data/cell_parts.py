"""Splits cells of several numbers, such as 3室2厅 and 1920x1080 and 高区/6层, into columns."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SHARED = 0.95  # the share of cells that have to have the same texts between numbers
MAX_WORDS = 20  # so many different texts in one place
MIN_CELLS_PER_WORD = 5
MAX_NUMBERS = 6
SAMPLE = 20_000  # texts that decide
# A minus sign stands at the beginning or after a blank, a bracket or a comma; in 10-20 it is none.
NUMBER = re.compile(r"((?:(?<![^\s(,])-)?\d+(?:\.\d+)?)")
OF_DATES = re.compile(r"\s*[-/.年月:T]\s*|\s+")  # between the numbers of dates, times, versions and addresses
DATE_WORD = re.compile(
    r"jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz]|mon|tue|wed|thu|fri|sat|sun|[ap]\.?m\b|q[1-4]?\b"
    r"|[年月日号周季]",
    re.IGNORECASE,
)
MARKS = frozenset({",", ".", "'", "’"})  # of a single number
BY = re.compile(r"\s*[x×X*]\s*")  # 1920x1080
LETTER = re.compile(r"[^\W\d_]")
DATE_LIKE = 31  # 12/05 may be a day
YEARS = (1800, 2200)


LISTED_BEGIN = frozenset("[-0123456789")
FEWEST_LISTED = 16  # numbers in each cell, which then is an image or a series
LISTED = re.compile(r"\[?\s*-?\d[\d.eE+-]*(?:(?:\s*[,;]\s*|\s+)-?\d[\d.eE+-]*)+\s*\]?")
BETWEEN = re.compile(r"[\s,;\[\]]+")


def count_listed(cells: Sequence[str]) -> int:
    """Returns how many numbers each of some cells lists, as `73 86 55 ...` does; 0 if they differ, or list few."""
    number = 0
    for cell in cells[:SAMPLE]:
        text = cell.strip()
        listed = len([part for part in BETWEEN.split(text) if part]) if text[:1] in LISTED_BEGIN else 0
        if listed < FEWEST_LISTED or number not in (0, listed) or not LISTED.fullmatch(text):
            return 0
        number = listed
    return number


@dataclass(frozen=True)
class Part:
    """One of the columns that cells are split into.

    Args:
        suffix: what to add to the column's name: the text after a number, such as 室, or the part's position from 1.
        kind: a number, or a word of a few.
    """

    suffix: str
    kind: Literal["number", "word"]


@dataclass(frozen=True)
class Parts:
    """How cells of several numbers are composed.

    Args:
        places: the texts before, between and after the numbers; `None` where they vary.
        parts: the columns in the order of the cell.
    """

    places: tuple[str | None, ...]
    parts: tuple[Part, ...]

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Parts:
        """Returns the parts that `to_json` has stored."""
        return cls(tuple(stored["places"]), tuple(Part(*part) for part in stored["parts"]))

    def to_json(self) -> dict[str, Any]:
        """Returns the parts as a dictionary for JSON."""
        return {"places": list(self.places), "parts": [[part.suffix, part.kind] for part in self.parts]}

    def split(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        """Returns an array `(N,)` for each part: of float64, NaN where a text is composed otherwise, or of texts,
        `None` there."""
        rows = [self._split(text) for text in texts]
        columns: list[NDArray[Any]] = []
        for position, part in enumerate(self.parts):
            values = [None if row is None else row[position] for row in rows]
            if part.kind == "number":
                columns.append(np.array([np.nan if value is None else float(value) for value in values]))
            else:
                columns.append(np.array([*values, None], dtype=object)[:-1])
        return columns

    def _split(self, text: str) -> list[str] | None:
        """Returns the parts of a text; `None` if its constant places are others."""
        pieces = NUMBER.split(text.strip())
        fits = len(pieces) == 2 * len(self.places) - 1
        if not fits or any(p is not None and p != place for p, place in zip(self.places, pieces[::2], strict=True)):
            return None
        return [
            _word(piece) if position % 2 == 0 else piece
            for position, piece in enumerate(pieces)
            if position % 2 or self.places[position // 2] is None
        ]


def find_parts(
    texts: Sequence[str], counts: Sequence[int] | NDArray[np.integer[Any]], *, given: bool = False
) -> Parts | None:
    """Returns how the cells of a column are composed of several numbers, or numbers and words; `None` where that is
    not certain.

    In 95 % of the cells there are as many numbers, with the same texts between them; in a place the text may vary if it
    is one of a few words, set apart from digits and letters or not in Latin letters. Dates, times, versions, telephone
    numbers and ids such as A12-34 are not split, nor are two small numbers such as 12/05, which may be a day.

    Args:
        texts: the distinct texts of the column, without missing ones.
        counts: how many cells hold each.
        given: whether the user says that they are, so that no date, telephone number or id needs to be feared.
    """
    step = max(1, len(texts) // SAMPLE)
    pieces = [NUMBER.split(str(text).strip()) for text in texts[::step]]
    cells = [int(count) for count in counts[::step]]
    cells_of_length: Counter[int] = Counter()
    for row, count in zip(pieces, cells, strict=True):
        cells_of_length[len(row)] += count
    total = cells_of_length.total()
    length, most = max(cells_of_length.items(), key=lambda item: item[1], default=(0, 0))
    if not 3 <= length <= 2 * MAX_NUMBERS + 1 or most < SHARED * total:
        return None
    rows = [(row, count) for row, count in zip(pieces, cells, strict=True) if len(row) == length]
    places: list[str | None] = []
    for position in range(0, length, 2):
        words: Counter[str] = Counter()
        for row, count in rows:
            words[row[position]] += count
        text, frequent = words.most_common(1)[0]
        if frequent >= SHARED * total:
            places.append(text)
        elif _are_words(words, first=position == 0, last=position == length - 1):
            places.append(None)
        else:
            return None
    parts = Parts(tuple(places), _name(places))
    fitting = [
        (row, count)
        for row, count in rows
        if all(place in (None, text) for place, text in zip(places, row[::2], strict=True))
    ]
    few = sum(count for _, count in fitting) < SHARED * total
    if few or len(parts.parts) < 2 or (not given and _may_be_names(places, [row for row, _ in fitting])):
        return None
    return parts


def _are_words(words: Counter[str], *, first: bool, last: bool) -> bool:
    """Returns whether texts are one of a few words each, which the digits beside them are no part of."""
    if len(words) > MAX_WORDS or words.total() < MIN_CELLS_PER_WORD * len(words):
        return False
    for text in words:
        edges = [] if first else [text[:1]]
        edges += [] if last else [text[-1:]]
        if DATE_WORD.match(_word(text)) or any(edge.isascii() and edge.isalnum() for edge in edges):
            return False
        if not LETTER.search(text) and not any(map(_is_currency, text)):
            return False
    return True


def _may_be_names(places: Sequence[str | None], rows: Sequence[Sequence[str]]) -> bool:
    """Returns whether the numbers may be those of dates, times, versions, addresses, telephones or ids."""
    columns = [[row[position] for row in rows] for position in range(1, len(rows[0]), 2)]
    if any(len(text) > 1 and text[0] == "0" and text[1] != "." for column in columns for text in column):
        return True
    between = places[1:-1]
    numbers = [np.array(column, dtype=np.float64) for column in columns]
    if any(place is not None and DATE_WORD.match(_word(place)) for place in places):
        return True
    sizes = bool(between) and all(place is not None and BY.fullmatch(place) for place in between)
    if not sizes and any(
        np.mean((YEARS[0] <= number) & (number <= YEARS[1]) & (number % 1 == 0)) > SHARED for number in numbers
    ):
        return True
    bare = [place is not None and OF_DATES.fullmatch(place) is not None for place in between]
    if places[0] and re.search("[A-Za-z]", places[0]):  # A12-34, Customer 12 Order 345
        return True
    if any(place is not None and place in MARKS for place in between) and places[-1] != '"':  # 1,234; but 5'11"
        return True
    if not any(bare):
        return False
    if len(columns) > 2 or between[0] is None or between[0].strip() in {".", ":", "T", ""}:
        return True
    first, second = numbers
    measured = bool(_word(places[0] or "") or _word(places[-1] or "")) or bool(np.any(np.array(numbers) % 1))
    if "-" in between[0] and measured:  # 5-10K, 0.5-1.2
        return bool(np.mean(first <= second) < SHARED)
    if "-" in between[0]:  # 10-20 is a range, 555-1234 a telephone number
        widths = [{len(text) for text in column} for column in columns]
        fixed = all(len(width) == 1 for width in widths) and max(max(width) for width in widths) > 2
        return bool(fixed or np.mean(first <= second) < SHARED or second.max() <= DATE_LIKE)
    return bool(first.max() <= DATE_LIKE and second.max() <= DATE_LIKE and not measured)


def _name(places: Sequence[str | None]) -> tuple[Part, ...]:
    """Returns the parts with suffixes: the words after numbers if they are constant and different, else positions."""
    parts: list[Part] = []
    for position, place in enumerate(places):
        if position:
            after = _word(place) if place and not BY.fullmatch(place) else ""
            parts.append(Part(after if LETTER.search(after) and len(after) <= 12 else "", "number"))
        if place is None:
            parts.append(Part("", "word"))
    suffixes = Counter(part.suffix for part in parts)
    return tuple(
        part if part.suffix and suffixes[part.suffix] == 1 else Part(str(position), part.kind)
        for position, part in enumerate(parts, start=1)
    )


def _word(text: str) -> str:
    """Returns a text without the blanks and punctuation around it; a sign such as $ as it is."""
    return re.sub(r"^[\W_]+|[\W_]+$", "", text) or "".join(sign for sign in text if _is_currency(sign))


def _is_currency(sign: str) -> bool:
    return unicodedata.category(sign) == "Sc"
