"""Reads ratings that are spelled: ★★★★☆, 4/5, 4 stars, 4.0 out of 5, 80 %, thumbs up, likes and dislikes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells, name_list, read_cells

GLYPHS = re.compile(r"([★⭐🌟✭✮\ufe0f]+)(½?)[☆✩✰]*")
NUMBER = r"([+-]?\d+(?:[.,]\d+)?)"
STARS = r"\s*(?:stars?|sterne?|étoiles?|estrellas?|points?|pts?|星|颗星|分)?"
OUT_OF = re.compile(rf"{NUMBER}{STARS}\s*(?:/|out of|of|von|sur|de)\s*(\d+){STARS}", re.IGNORECASE)
WITH_UNIT = re.compile(rf"{NUMBER}{STARS}", re.IGNORECASE)
PERCENT = re.compile(rf"{NUMBER}\s*%")
FOR = re.compile(r"(thumbs?[ _]?)?up|liked?|likes|yes|y|true|positive|recommended|👍|赞|喜欢|是", re.IGNORECASE)
AGAINST = re.compile(
    r"(thumbs?[ _]?)?down|disliked?|dislikes|no|n|false|negative|not recommended|👎|踩|不喜欢|否", re.IGNORECASE
)


@dataclass(frozen=True)
class Spelling:
    """How the ratings of a column are spelled.

    Args:
        name: of the way, such as `of 5`; ratings of different ways do not compare.
        numbers: the rating of each text.
    """

    name: str
    numbers: tuple[float, ...]


def find_spelling(texts: Sequence[str]) -> Spelling | None:
    """Returns how distinct texts spell ratings; `None` where they are plain numbers, or not all of one way."""
    if matches := _all(GLYPHS, texts):
        return Spelling("stars", tuple(len(match[1].replace("\ufe0f", "")) + 0.5 * bool(match[2]) for match in matches))
    if (matches := _all(OUT_OF, texts)) and len({match[2] for match in matches}) == 1:
        return Spelling(f"of {matches[0][2]}", tuple(_number(match[1]) for match in matches))
    if matches := _all(PERCENT, texts):
        return Spelling("%", tuple(_number(match[1]) for match in matches))
    if matches := _all(WITH_UNIT, texts):
        return Spelling("stars", tuple(_number(match[1]) for match in matches))
    of = [(bool(FOR.fullmatch(text)), bool(AGAINST.fullmatch(text))) for text in texts]
    if {(True, False), (False, True)} == set(of):
        return Spelling("1 for, 0 against", tuple(float(likes) for likes, _ in of))
    return None


def read_spelled(column: pd.Series[float] | pd.Series[str]) -> tuple[NDArray[np.float64] | None, str, str]:
    """Returns the ratings `(N,)` of a column that spells them, the name of its spelling, and a note with examples;
    `None` and empty texts for any other column."""
    cells = read_cells(column)
    if cells.all_numbers or not len(cells.values):
        return None, "", ""
    spelling = find_spelling(list(cells.values))
    if spelling is None:
        return None, "", ""
    numbers = np.append(np.array(spelling.numbers), np.nan)[cells.codes]
    return numbers, spelling.name, f"{column.name} holds {_examples(cells, spelling)}"


def _examples(cells: Cells, spelling: Spelling) -> str:
    order = np.argsort(spelling.numbers)[[0, -1]].tolist()
    return name_list([f"{cells.values[at]} for {spelling.numbers[at]:g}" for at in dict.fromkeys(order)])


def _all(pattern: re.Pattern[str], texts: Sequence[str]) -> list[re.Match[str]]:
    """Returns how each text matches a pattern as a whole; nothing unless all do."""
    matches = []
    for text in texts:
        match = pattern.fullmatch(text)
        if match is None:
            return []
        matches.append(match)
    return matches


def _number(text: str) -> float:
    return float(text.replace(",", "."))
