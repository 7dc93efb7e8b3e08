"""Reads durations such as 1:02:03, 60:15, "2h 50m", "3yrs 2mon", "0 days 00:12:00" and PT2H50M, and times of day such
as 7:51 PM, as seconds."""

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
CLOCK_OF_12 = (  # hours
    r"^(?P<hours>0?[1-9]|1[0-2]):(?P<minutes>[0-5][0-9])(?::(?P<seconds>[0-5][0-9](?:\.[0-9]+)?))? ?"
    r"(?P<half>[aApP])\.?[mM]\.?$"
)
HOURS_AND_MINUTES = r"^(?P<hours>[0-9]+) ?[hH](?P<minutes>[0-5][0-9])$"
WORDS = (
    r"^(?P<sign>-)?(?:(?P<years>[0-9]+) ?(?:y|yrs?|years?|Jahre?|ans?|年)\.?,?(?: |$)?)?"
    r"(?:(?P<months>[0-9]+) ?(?:mon|mons|mos?|months?|Monate?|mois|个月)\.?,?(?: |$)?)?"
    r"(?:(?P<weeks>[0-9]+) ?(?:w|wks?|weeks?|Wochen?|semaines?|周)\.?,?(?: |$)?)?"
    r"(?:(?P<days>[0-9]+) ?(?:(?:d|days?|Tage?|jours?)\.?,?(?: |$)|天 ?))?"
    r"(?:(?P<hours>[0-9]+) ?(?:h|hrs?|hours?|Std|Stunden?|heures?|小时|小時|時間)\.?,?(?: |$)?)?"
    r"(?:(?P<minutes>[0-9]+) ?(?:m|mins?|minutes?|Min|Minuten?|分钟|分鐘|分)\.?,?(?: |$)?)?"
    r"(?:(?P<seconds>[0-9]+(?:\.[0-9]+)?) ?(?:s|secs?|seconds?|Sek|Sekunden?|secondes?|秒)\.?)?$"
)
ISO = (  # ISO 8601, without years, months and weeks
    r"^(?P<sign>-)?P(?:(?P<days>[0-9]+)D)?(?:T(?:(?P<hours>[0-9]+)H)?(?:(?P<minutes>[0-9]+)M)?"
    r"(?:(?P<seconds>[0-9]+(?:\.[0-9]+)?)S)?)?$"
)
SECONDS = {"years": 31_557_600, "months": 2_629_800, "weeks": 604_800, "days": 86_400, "hours": 3600, "minutes": 60}
SECONDS |= {"seconds": 1}
NUMBERS = r"^-?[0-9]+(?::[0-9]+){%d}(?:\.[0-9]+)?$"
LAST_HOUR = 23
HALF_A_DAY = 43_200


@dataclass(frozen=True)
class Durations:
    """The form of a column of durations, or of times of day, whose numbers are seconds.

    Args:
        colons: how many colons each text such as 7:51 has, if one with another number of them may mean something else;
            0 if it may not.
    """

    colons: int = 0

    @classmethod
    def of(cls, texts: Sequence[str]) -> Durations:
        """Returns the form of a column with these distinct texts.

        Texts such as 7:51 may be minutes and seconds or hours and minutes. Unless there are others beside them, or the
        first numbers are beyond 23, a text with one colon more or less is no duration of this column.
        """
        column = to_ascii(pa.array(texts, pa.string()))
        counts = [pc.any(pc.match_substring_regex(column, NUMBERS % colons)).as_py() for colons in (1, 2)]
        if all(counts) or not any(counts):
            return cls()
        if counts[1]:
            return cls(2)
        first = pc.extract_regex(column, r"^-?(?P<first>[0-9]+):[0-9]+(?:\.[0-9]+)?$").field("first").drop_null()
        return cls(0 if (pc.max(first.cast(pa.int64())).as_py() or 0) > LAST_HOUR else 1)

    def parse(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Returns the seconds of texts, `(N,)`; NaN where a text is no duration."""
        seconds = parse_durations(texts)
        if self.colons:
            column = to_ascii(pa.array(texts, pa.string()))
            other = pc.match_substring_regex(column, NUMBERS % (3 - self.colons)).to_numpy(zero_copy_only=False)
            seconds[other.astype(bool)] = np.nan
        return seconds


def parse_durations(texts: Sequence[str]) -> NDArray[np.float64]:
    """Returns the seconds of each text, `(N,)`; NaN where it is no duration.

    Of two numbers, as in 60:15, the first is minutes. 15:15 may as well be a time of day: only a column in which some
    first number is beyond 23 is certainly one of durations. A month is the twelfth part of a year of 365.25 days.
    """
    column = to_ascii(pa.array(texts, pa.string()))
    seconds = np.full(len(column), np.nan)
    for pattern in (CLOCK, CLOCK_OF_12, HOURS_AND_MINUTES, WORDS, ISO):
        parts = pc.extract_regex(column, pattern)
        read = np.zeros(len(column))
        given = np.zeros(len(column), dtype=bool)
        names = {field.name for field in parts.type}
        for name in SECONDS.keys() & names:
            text, unit = parts.field(name), SECONDS[name]
            number = pc.if_else(pc.equal(text, ""), None, text).cast(pa.float64())
            given |= number.is_valid().to_numpy(zero_copy_only=False)
            read += unit * number.fill_null(0).to_numpy(zero_copy_only=False)
        if "half" in names:
            afternoon = _is(pc.utf8_lower(parts.field("half")), "p")
            read = read % HALF_A_DAY + HALF_A_DAY * afternoon
        negative = _is(parts.field("sign"), "-") if "sign" in names else np.zeros(len(column), dtype=bool)
        matches = parts.is_valid().to_numpy(zero_copy_only=False) & given
        seconds[matches] = np.where(negative, -read, read)[matches]
    no_minutes = pc.match_substring_regex(column, ":(?:[6-9][0-9]|[0-9]{3,}):").to_numpy(zero_copy_only=False)
    seconds[no_minutes.astype(bool)] = np.nan
    return seconds


def _is(texts: pa.Array, text: str) -> NDArray[np.bool_]:
    return pc.equal(texts, text).fill_null(False).to_numpy(zero_copy_only=False).astype(bool)
