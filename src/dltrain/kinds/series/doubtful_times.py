"""Times that are dates because the steps of a series are even: 01/49 and 02/49, 202052 and 202101, 1900/01, seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells
from dltrain.data.column_names import plain
from dltrain.data.date_format import NUMBERS, AmbiguousDates, DateFormat, spell_moment
from dltrain.data.dates import infer_cells
from dltrain.data.unix_times import UNITS, time_since_1970

SEASON = re.compile(r"(\d{4})[/\-–](\d{4}|\d\d)")
ELAPSED = re.compile(r"(\d{1,5}):([0-5]\d)(?::([0-5]\d))?")
WEEK = re.compile(r"(\d{4})[/-]?(\d\d)")
SHORT = re.compile(r"(\d{1,2})[/\-–](\d{1,2})")
NAMES_OF_WEEKS = r"(iso)?(yr|year)?(iso)?(week|wk|kw|woche)(no|nr|id|of(the)?year)?|yw|yyyyww"
MONTHS, WEEKS, DAYS = 12, 53, 31
EVEN = 0.8  # share of the steps that are one
ENOUGH = 8  # times whose even steps are no accident

Moments = NDArray[np.datetime64]


class Elapsed(NamedTuple):
    """Times since a beginning: the seconds of each text `(n,)`, and their spelling for `TimeAxis`."""

    seconds: NDArray[np.float64]
    spelling: str


def read_elapsed(texts: Sequence[str]) -> Elapsed | None:
    """Returns texts such as 0:00:05 as times since a beginning, if some are beyond a day, or the first is 0:00:00; None
    if they may be times of a day."""
    matches = [match for text in texts if (match := ELAPSED.fullmatch(text))]
    if not texts or len(matches) < len(texts) or len({match[3] is None for match in matches}) > 1:
        return None
    hours, minutes, seconds = np.array([[int(part or 0) for part in match.groups()] for match in matches]).T
    if hours.max() < 24 and texts[0] != "0:00:00":
        return None
    width = min(len(match[1]) for match in matches)
    spelling = f"{{hours:0{width}}}:{{minutes:02}}" + (":{seconds:02}" if matches[0][3] else "")
    return Elapsed(3600.0 * hours + 60 * minutes + seconds, spelling)


def read_doubtful(cells: Cells, name: str) -> tuple[DateFormat | None, str]:
    """Returns how times are read that are no dates by themselves, and what is said of that; None where the usual
    reader decides.

    Args:
        cells: of the column, as they are written.
        name: of the column.

    Raises:
        DataError: they may be read in several ways.
    """
    texts = cells.values
    if not texts:
        return None, ""
    word = time_since_1970(cells, name) or _season(texts) or _week(texts, name)
    form = infer_cells(cells, dates=word, enough=1.0) if word else _short(cells)
    if isinstance(form, AmbiguousDates):
        raise form.refuse(f"column {name!r}")
    if form is None:
        return None, ""
    if form.numbers in NUMBERS:
        return form, f"{name} counts {UNITS[form.numbers]} from 1970 on, in UTC: data.dates={form.numbers}"
    meaning = spell_moment(form.read(texts[:1])[0])
    return form, f"{texts[0]} in {name} is read as {_meaning(form, meaning)}: data.dates={form.numbers}"


def _meaning(form: DateFormat, moment: str) -> str:
    if form.numbers == "weeks":
        return f"the week from {moment} on"
    return f"a year from {moment[:4]} on" if form.numbers == "seasons" else moment[:7]


def _season(texts: Sequence[str]) -> str:
    """Returns `seasons` if all texts are as 2010/11: years from one summer to the next."""
    matches = [SEASON.fullmatch(text) for text in texts]
    follows = all(
        match and (int(match[1]) + 1 - int(match[2])) % (100 if len(match[2]) == 2 else 10_000) == 0
        for match in matches
    )
    return "seasons" if follows and len(texts) > 1 else ""


def _week(texts: Sequence[str], name: str) -> str:
    """Returns `weeks` if all texts are as 202047 and not all may be months, or the column is called so."""
    matches = [WEEK.fullmatch(text) for text in texts]
    numbers = [int(match[2]) for match in matches if match]
    if len(numbers) < len(texts) or min(numbers) < 1 or max(numbers) > WEEKS:
        return ""
    named = bool(re.fullmatch(NAMES_OF_WEEKS, plain(name)))
    return "weeks" if named or max(numbers) > MONTHS else ""


def _short(cells: Cells) -> DateFormat | AmbiguousDates | None:
    """Returns how texts as 01/49 are months; None if they are none, or may be days of one year."""
    matches = [SHORT.fullmatch(text) for text in cells.values]
    if not all(matches) or len(matches) < ENOUGH:
        return None
    pairs = np.array([[int(match[1]), int(match[2])] for match in matches if match])
    possible: dict[str, DateFormat | AmbiguousDates] = {}
    shares = []
    for word in ("my", "ym"):
        form = infer_cells(cells, dates=word, enough=1.0)
        some = next(iter(form.readings.values())) if isinstance(form, AmbiguousDates) else form
        share = 0.0 if form is None or some is None else _even_months(some.read(cells.values))
        if form is not None and share >= EVEN:
            possible[word] = form
            shares.append(share)
    forms = list(possible.values())
    if len(forms) == 1 and not max(_even_days(pairs), _even_days(pairs[:, ::-1])) >= shares[0]:
        return forms[0]
    if not forms or any(isinstance(form, AmbiguousDates) for form in forms):
        return next((form for form in forms if isinstance(form, AmbiguousDates)), None)
    no_date = "a day of an unknown year" if len(forms) == 1 else ""
    return AmbiguousDates(str(cells.values[0]), dict(possible), no_date)  # type: ignore[arg-type]


def _even_months(moments: Moments) -> float:
    """Returns the share of even steps where times in the order of a file rise or fall by months or years; else 0."""
    return 0.0 if np.isnat(moments).any() else _even(moments.astype("datetime64[M]").astype(np.int64))


def _even_days(pairs: NDArray[np.int64]) -> float:
    """Returns the share of even steps where pairs of day and month `(n, 2)` rise or fall within one year; else 0."""
    day, month = pairs.T
    if day.min() < 1 or day.max() > DAYS or month.min() < 1 or month.max() > MONTHS:
        return 0.0
    return _even((np.datetime64("2020-01", "M") + (month - 1)).astype("datetime64[D]").astype(np.int64) + day)


def _even(places: NDArray[np.int64]) -> float:
    steps = np.diff(places)
    one_way = bool((steps > 0).all() or (steps < 0).all())
    return float((np.abs(steps) == np.median(np.abs(steps))).mean()) if one_way else 0.0
