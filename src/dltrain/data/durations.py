"""Reads durations such as 1:02:03, 60:15, "2h 50m", "0 days 00:12:00" and PT2H50M as seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dltrain.data.number_texts import to_ascii

CLOCK = (
    r"^(?P<sign>-)?(?:(?P<days>[0-9]+) days?,? )?(?:(?P<hours>[0-9]+):)?"
    r"(?P<minutes>[0-9]+):(?P<seconds>[0-5][0-9](?:\.[0-9]+)?)$"
)
WORDS = (
    r"^(?P<sign>-)?(?:(?P<days>[0-9]+) ?(?:(?:d|days?|Tage?|jours?)\.?,?(?: |$)|天 ?))?"
    r"(?:(?P<hours>[0-9]+) ?(?:h|hrs?|hours?|Std|Stunden?|heures?|小时|小時|時間)\.?,?(?: |$)?)?"
    r"(?:(?P<minutes>[0-9]+) ?(?:m|mins?|minutes?|Min|Minuten?|分钟|分鐘|分)\.?,?(?: |$)?)?"
    r"(?:(?P<seconds>[0-9]+(?:\.[0-9]+)?) ?(?:s|secs?|seconds?|Sek|Sekunden?|secondes?|秒)\.?)?$"
)
ISO = (  # ISO 8601, without years, months and weeks
    r"^(?P<sign>-)?P(?:(?P<days>[0-9]+)D)?(?:T(?:(?P<hours>[0-9]+)H)?(?:(?P<minutes>[0-9]+)M)?"
    r"(?:(?P<seconds>[0-9]+(?:\.[0-9]+)?)S)?)?$"
)
SECONDS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}


@dataclass(frozen=True)
class Durations:
    """The form of a column of durations, or of times of day, whose numbers are seconds."""

    def parse(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Returns the seconds of texts, `(N,)`; NaN where a text is no duration."""
        return parse_durations(texts)


def parse_durations(texts: Sequence[str]) -> NDArray[np.float64]:
    """Returns the seconds of each text, `(N,)`; NaN where it is no duration.

    Of two numbers, as in 60:15, the first is minutes. 15:15 may as well be a time of day: only a column in which some
    first number is beyond 23 is certainly one of durations.
    """
    column = to_ascii(pa.array(texts, pa.string()))
    seconds = np.full(len(column), np.nan)
    for pattern in (CLOCK, WORDS, ISO):
        parts = pc.extract_regex(column, pattern)
        read = np.zeros(len(column))
        given = np.zeros(len(column), dtype=bool)
        for name, unit in SECONDS.items():
            text = parts.field(name)
            number = pc.if_else(pc.equal(text, ""), None, text).cast(pa.float64())
            given |= number.is_valid().to_numpy(zero_copy_only=False)
            read += unit * number.fill_null(0).to_numpy(zero_copy_only=False)
        negative = pc.equal(parts.field("sign"), "-").fill_null(False).to_numpy(zero_copy_only=False)
        matches = parts.is_valid().to_numpy(zero_copy_only=False) & given
        seconds[matches] = np.where(negative, -read, read)[matches]
    no_minutes = pc.match_substring_regex(column, ":(?:[6-9][0-9]|[0-9]{3,}):").to_numpy(zero_copy_only=False)
    seconds[no_minutes.astype(bool)] = np.nan
    return seconds
