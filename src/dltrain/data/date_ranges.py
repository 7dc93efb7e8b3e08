"""Spans of time, such as 2026-11-16/2026-11-22: two dates, or a date and two times of its day."""

from __future__ import annotations

import re
from typing import NamedTuple

HYPHEN = re.compile(r"-")
BETWEEN = re.compile(r"\s+(?:[-–—]|to|until|bis|au|al|a)\s+|\s*(?:\.\.+|--|/|–|—)\s*", re.IGNORECASE)
LEAST = 4  # characters of an end


class Ends(NamedTuple):
    """The two ends of a span of time, and what stands between them."""

    first: str
    between: str
    last: str


def split_range(text: str) -> Ends | None:
    """Returns the ends of a span, if a text can be one; `None` where nothing but one mark divides it."""
    for between in (BETWEEN, HYPHEN):
        matches = list(between.finditer(text))
        if len(matches) == 1:
            ends = Ends(text[: matches[0].start()], matches[0][0], text[matches[0].end() :])
            return ends if min(len(ends.first), len(ends.last)) >= LEAST else None
    return None
