"""Strings as targets, read character by character: which columns hold such strings, and their characters as classes."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells, name_list, shorten
from dltrain.errors import DataError

BLANK = ""  # the class of a place behind the end of a string
LONGEST = 16  # characters of strings that are told by their cells
MOST_CHARACTERS = 100  # different ones
ENOUGH, FEW = 100, 20  # distinct strings that are certainly strings, and that may be
OFTEN_DISTINCT, NEARLY_ALL = 0.5, 0.9  # of the rows
GAPS = 1.1  # times as many numbers as rows, up to which they count the rows
MOST_ALIKE = 0.5  # of the rows that share a character at a place, as the first letter of ids does

Likelihood = Literal["certain", "possible", "no"]


def are_strings(cells: Cells) -> Likelihood:
    """Tells whether a column holds strings to be read character by character, such as `7AB3`, not classes or amounts.

    Certain are hundreds of strings of letters and digits, all of one length, most of which occur once, and of which no
    character is the same at its place in more than half. Whole numbers are amounts unless some begin with zeros, and
    different ones without gaps count the rows.
    """
    values, rows = [normalised(value) for value in cells.values], cells.present
    lengths = {len(value) for value in values}
    if len(lengths) != 1 or not 2 <= min(lengths) <= LONGEST or not all(map(str.isalnum, values)):
        return "no"
    digits = all(map(str.isdecimal, values))
    if digits and not any(value.startswith("0") for value in values):
        return "no"
    distinct = len(values)
    if digits and distinct == rows and _count_rows(values):
        return "no"
    if distinct >= max(ENOUGH, OFTEN_DISTINCT * rows) and len(characters_of(values)) <= MOST_CHARACTERS:
        commonest = max(max(Counter(place).values()) for place in zip(*values, strict=True))
        if commonest <= MOST_ALIKE * distinct:
            return "certain"
    share = OFTEN_DISTINCT if digits else NEARLY_ALL
    return "possible" if distinct >= max(FEW, share * rows) and min(lengths) > 2 else "no"


def _count_rows(values: Sequence[str]) -> bool:
    """Tells whether different numbers count rows, as 0001, 0002 ... do, of which a few may be missing."""
    numbers = list(map(int, values))
    return max(numbers) - min(numbers) < GAPS * len(numbers)


def normalised(value: str) -> str:
    """Returns a string in Unicode's composed form, in which é is one character."""
    return unicodedata.normalize("NFC", value)


def characters_of(values: Sequence[str]) -> tuple[str, ...]:
    """Returns the characters that occur in strings, by code point; the first one is a blank if some strings are shorter
    than others."""
    strings = [normalised(value) for value in values]
    blank = {BLANK} if len({len(string) for string in strings}) > 1 else set()
    return tuple(sorted(blank.union(*strings)))


def places_of(values: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of the places of the longest string."""
    return tuple(f"place {number + 1}" for number in range(max(len(normalised(value)) for value in values)))


def encode_strings(name: str, characters: Sequence[str], places: int, cells: Cells) -> NDArray[np.int64]:
    """Returns the characters of strings as class indices `(N, places)`, -1 where a cell is missing.

    Raises:
        DataError: a string is longer than all that training had, or shorter without a blank, or has another character.
    """
    index = {character: position for position, character in enumerate(characters)}
    rows = np.full((len(cells.values) + 1, places), -1, dtype=np.int64)  # the last row is for a missing cell
    for row, value in enumerate(cells.values):
        string = normalised(value)
        if len(string) > places or (len(string) < places and BLANK not in index):
            known = f"up to {places}" if BLANK in index else str(places)
            raise DataError(
                f"{shorten(string)} has {len(string)} characters, and the strings of the model have {known}",
                where=f"column {name!r}",
                fix="correct these rows or leave them out",
            )
        if unknown := [character for character in string if character not in index]:
            raise DataError(
                f"{name_list(map(repr, dict.fromkeys(unknown)))} in {shorten(string)} is not a character of the model",
                where=f"column {name!r}",
                fix="correct these rows or leave them out; the characters are "
                + name_list(sorted(set(characters) - {BLANK}), MOST_CHARACTERS),
            )
        rows[row] = [index[character] for character in string] + [index.get(BLANK, -1)] * (places - len(string))
    return rows[cells.codes]


def describe_strings(values: Collection[str]) -> str:
    """Describes strings in a few words: their lengths and their characters."""
    strings = [normalised(value) for value in values]
    lengths = sorted({len(string) for string in strings})
    characters = sorted(set().union(*strings))
    long = str(lengths[0]) if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
    ends = "" if len(lengths) == 1 else ", the shorter ones filled up with blanks"
    return f"strings of {long} characters{ends}, {len(characters)} different ones: {name_list(characters, 40)}"
