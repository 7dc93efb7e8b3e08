"""Reads a column of times as a source's clocks show them, and how it spells them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import Cells
from dltrain.data.date_format import NUMBERS, AmbiguousDates, DateFormat
from dltrain.data.date_layouts import find_range
from dltrain.data.dates import HALF, infer_cells, no_time
from dltrain.errors import DataError
from dltrain.kinds.series.doubtful_times import read_doubtful, read_elapsed
from dltrain.kinds.series.spelling import find_spelling, months_in, spells
from dltrain.kinds.series.time_axis import RELATIVE, TimeAxis

SAMPLE = 50  # times by which the spelling is told
OFFSET = re.compile(r"(?<=\d)\s?(Z|UTC|GMT|[+-]\d\d:?\d\d)$", re.IGNORECASE)  # after a time of day
MIDNIGHT = re.compile(r"\s24[:.]00")  # which is written as 00:00 of the next day
NUMBERED = re.compile(r"([^\W\d](?:[^\W\d]| )*)(\d{1,6})")  # V12, day 3
COUNTED_MONTH = re.compile(r"(\d{1,2})-(0[1-9]|1[0-2])")  # 1-01 is the first month of the first year


@dataclass(frozen=True)
class Moments:
    """Times as a source's clocks show them: `(N,)` moments, their texts, the offset with which they end, and format."""

    moments: pd.DatetimeIndex
    spelling: str
    offset: str
    form: DateFormat
    notes: tuple[str, ...] = ()


def read_moments(
    cells: Cells, name: str, dates: str | DateFormat, like: TimeAxis | None
) -> Moments | tuple[NDArray[np.float64], str]:
    """Returns the times, or where they are no dates, their numbers `(N,)` and how these are spelled."""
    form, notes = _date_format(cells, name, dates, like is not None)
    if form is not None and not np.isnat(utc := form.read(cells.values)).any():
        read = _by_clocks(cells, form, utc, "" if like is None else like.spelling)
        return replace(read, notes=(*notes, *read.notes))
    if cells.all_numbers:
        return cells.as_numbers(), ""
    counted = [COUNTED_MONTH.fullmatch(value) for value in cells.values]
    if all(counted):
        months = np.array([12 * int(match[1]) + int(match[2]) - 1 for match in counted if match], np.float64)
        return months[cells.codes], RELATIVE
    numbered = [NUMBERED.fullmatch(value) for value in cells.values]
    if all(numbered) and len({match[1] for match in numbered if match}) == 1:
        numbers = np.array([float(match[2]) for match in numbered if match])
        return numbers[cells.codes], next(match[1] for match in numbered if match)
    elapsed = read_elapsed(cells.values)
    if elapsed is not None:
        return elapsed.seconds[cells.codes], elapsed.spelling
    bad = np.isnat((form or DateFormat()).read(cells.values))
    raise refuse_time(cells, int(bad[cells.codes].argmax()), name)


def _by_clocks(cells: Cells, form: DateFormat, utc: NDArray[np.datetime64], usual_spelling: str) -> Moments:
    """Returns the times as clocks show them: where offsets change, as clocks with the last row's offset do, unless all
    times are one time of the day. They are spelled as in the training series, if that fits."""
    texts = cells.values
    local = form.read(texts, local=True)
    ahead = (local - utc).astype("timedelta64[s]").astype(np.int64)
    endings = [match[0] if (match := OFFSET.search(text)) and ":" in text else "" for text in texts]
    zoned = bool(ahead.any() or any(endings)) and form.numbers not in NUMBERS
    notes: tuple[str, ...] = ()
    offset, moments = "", local
    if zoned:
        last = int(utc.argmax())
        offset = endings[last] or _spell_offset(int(ahead[last]))
        if len(set(ahead.tolist())) > 1:
            of_day = (local - local.astype("datetime64[D]")).astype(np.int64)
            if len(set(of_day.tolist())) > 1:
                moments = utc + np.timedelta64(int(ahead[last]), "s")
            spelled = sorted({_spell_offset(seconds) for seconds in ahead.tolist()})
            notes = (f"times have the offsets {' and '.join(spelled)}; later times are given with {offset.strip()}",)
    usual = np.array([at for at, text in enumerate(texts) if not MIDNIGHT.search(text)] or range(len(texts)))
    chosen = usual[np.unique(np.linspace(0, len(usual) - 1, SAMPLE).astype(int))]
    ends = [len(endings[row]) for row in chosen]
    bare = [texts[row][: len(texts[row]) - end] for row, end in zip(chosen, ends, strict=True)]
    shown = [pd.Timestamp(local[row]) for row in chosen]
    if usual_spelling and spells(usual_spelling, shown, bare):
        spelling = usual_spelling
    else:
        spelling = find_spelling(shown, bare, form, months_in(texts, list(pd.DatetimeIndex(local))))
    if zoned and not any(endings):
        spelling = ""
    return Moments(pd.DatetimeIndex(moments)[cells.codes], spelling, offset, form, notes)


def _spell_offset(seconds: int) -> str:
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02}:{minutes:02}"


def _date_format(
    cells: Cells, name: str, dates: str | DateFormat, again: bool
) -> tuple[DateFormat | None, tuple[str, ...]]:
    """Returns how dates are written: as in an earlier series, if that reads all of them; None if there are none. And
    what is said of that.

    Raises:
        DataError: they may be read in several ways.
    """
    if isinstance(dates, DateFormat):
        if not np.isnat(dates.read(cells.values)).any():
            return dates, ()
        dates = "auto"
    if dates == "auto" and not again:
        doubtful, note = read_doubtful(cells, name)
        if doubtful is not None:
            return doubtful, (note,)
    form = infer_cells(cells, dates=dates, enough=HALF)
    if isinstance(form, AmbiguousDates):
        raise form.refuse(f"column {name!r}")
    first = cells.values[0]
    spans = form is not None and find_range(first) is not None
    return form, (f"{name} holds spans of time, such as {first}, which are dated by their beginning",) if spans else ()


def refuse_time(cells: Cells, at: int, name: str) -> DataError:
    return no_time(cells, at, name, fix="treat the rows as evenly spaced", override="data.gaps=ignore")
