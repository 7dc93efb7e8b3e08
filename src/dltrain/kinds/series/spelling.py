"""Spells times as a file spells them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dltrain.data.date_format import NUMBERS, DateFormat, accepts
from dltrain.data.date_layouts import DIGITS, Layout, Span, find_layouts, find_range, find_short_layouts
from dltrain.data.date_ranges import Ends, split_range
from dltrain.data.date_words import MONTHS, WEEKDAYS

PART = re.compile(r"\{([^{}]*)\}")
LATER = re.compile(r"\{\+(-?\d+),(-?\d+)\}")  # months and seconds, by which what follows is later
LETTERS = re.compile(r"[^\W\d_]+")
CLOCKS = ("%H:%M", "%H:%M:%S", "{H}:%M", "%H.%M", "%I:%M %p")
DAY_NAMES = ("%a", "%A")
MONTH_NAMES = ("%b", "%B")
BASE = pd.Timestamp(0)


def spell_time(moment: pd.Timestamp, spelling: str) -> str:
    """Returns a time in a spelling.

    Args:
        moment: the time.
        spelling: a format for `strftime`, in which {d}, {m}, {H} and {I} are day, month and hours without zeros before
            them, {q} and {w} quarter and week, {y} and {Y} the next year with two and with four digits, {p} am or pm,
            {3} three digits of the fraction of a second, and {Jan|Feb|...} the twelve months; what follows {+1,-86400}
            is one month and minus a day later. Or one of `NUMBERS`, or `unix.3` for three digits after the point.
    """
    unit, _, digits = spelling.partition(".")
    if unit in NUMBERS:
        length, zero = NUMBERS[unit]
        microseconds = (moment - BASE) // pd.Timedelta(1, "us") - zero
        if digits:
            return f"{microseconds / length:.{digits}f}"
        return str(round(microseconds / length) if length >= 1 else microseconds * round(1 / length))
    later = LATER.search(spelling)
    if later:
        end = moment + pd.DateOffset(months=int(later[1])) + pd.Timedelta(int(later[2]), "s")
        return spell_time(moment, spelling[: later.start()]) + spell_time(end, spelling[later.end() :])
    shown = next((int(part) for part in PART.findall(spelling) if part.isdigit()), None)
    if shown is not None:
        moment = moment.round(f"{10 ** (9 - shown)}ns")
    return moment.strftime(PART.sub(lambda match: _spell_part(match[1], moment), spelling))


def _spell_part(part: str, moment: pd.Timestamp) -> str:
    if "|" in part:
        return part.split("|")[moment.month - 1]
    if part.isdigit():
        return f"{moment.microsecond:06}"[: int(part)]
    year = moment.year + 1
    return {
        "d": str(moment.day),
        "m": str(moment.month),
        "H": str(moment.hour),
        "I": str((moment.hour - 1) % 12 + 1),
        "q": str(moment.quarter),
        "w": str(moment.week),
        "y": f"{year % 100:02}",
        "Y": f"{year:04}",
        "p": "am" if moment.hour < 12 else "pm",
    }.get(part, "")


def spells(spelling: str, moments: Sequence[pd.Timestamp], texts: Sequence[str]) -> bool:
    """Tells whether a spelling gives all of these texts for their times."""
    return all(spell_time(moment, spelling) == text for moment, text in zip(moments, texts, strict=True))


def find_spelling(
    moments: Sequence[pd.Timestamp], texts: Sequence[str], form: DateFormat, months: Mapping[int, str] | None = None
) -> str:
    """Returns the spelling that gives all of these texts for their times; empty if none does.

    Args:
        moments: the times, without zones.
        texts: what the source writes for them.
        form: by which they were read.
        months: words for the months that the source writes, by their numbers; None for those of these texts.
    """
    if form.numbers in NUMBERS:
        digits = {len(text.partition(".")[2]) for text in texts}
        unit = form.numbers if digits == {0} else f"{form.numbers}.{max(digits)}"
        return unit if spells(unit, moments, texts) else ""
    shortest = min(range(len(texts)), key=lambda at: len(texts[at]))
    ends = find_range(texts[shortest])
    if ends is not None:
        return _find_range(moments, texts, form, ends)
    shape = texts[shortest].translate(DIGITS)
    for layout in reversed(find_layouts(shape) or find_short_layouts(shape)):
        if accepts(form, layout):
            named = months or months_in(texts, moments)
            for spelling in _spellings(texts[shortest], layout, named):
                if spells(spelling, moments, texts):
                    return spelling
    return ""


def months_in(texts: Sequence[str], moments: Sequence[pd.Timestamp]) -> dict[int, str]:
    """Returns the words for months in texts, by their numbers."""
    words: dict[int, str] = {}
    for text, moment in zip(texts, moments, strict=True):
        named = [word for word in LETTERS.findall(text) if MONTHS.get(word.casefold()) == moment.month]
        if named:
            words[moment.month] = named[0]
    return words


def _find_range(moments: Sequence[pd.Timestamp], texts: Sequence[str], form: DateFormat, ends: Ends) -> str:
    """Returns the spelling of spans of time, given the ends of one of them; empty if there is none."""
    parts = [split_range(text) for text in texts]
    if any(part is None or part.between != ends.between for part in parts):
        return ""
    first, last = [part.first for part in parts if part], [part.last for part in parts if part]
    only_clock = not find_layouts(ends.last.translate(DIGITS))
    dated = [f"{moment:%Y-%m-%d} {text}" for moment, text in zip(moments, last, strict=True)] if only_clock else last
    read = (DateFormat() if only_clock else form).read(dated, local=True)
    if np.isnat(read).any():
        return ""
    until = [pd.Timestamp(each) for each in read]
    until = [end + pd.Timedelta(days=int(end < begin)) for begin, end in zip(moments, until, strict=True)]
    begin = find_spelling(moments, first, form)
    close = next((clock for clock in CLOCKS if spells(clock, until, last)), "")
    close = close if only_clock else find_spelling(until, last, form)
    for months in (0, round((until[0] - moments[0]) / pd.Timedelta(days=30.4))):
        seconds = round((until[0] - (moments[0] + pd.DateOffset(months=months))).total_seconds())
        spelling = f"{begin}{ends.between}{{+{months},{seconds}}}{close}"
        if begin and close and spells(spelling, moments, texts):
            return spelling
    return ""


def _spellings(text: str, layout: Layout, months: Mapping[int, str]) -> list[str]:
    """Returns the spellings that may have given a text, by where its parts stand."""
    codes = _codes(layout)
    marked, literal = [], 0
    for (start, stop), code in sorted(codes.items()):
        marked += [text[literal:start], code]
        literal = stop
    marked.append(text[literal:])
    literals, spans = marked[::2], marked[1::2]
    found = [""]
    for at, piece in enumerate(literals):
        choices = _literals(piece.replace("%", "%%"), layout, months)
        found = [before + choice for before in found for choice in choices]
        if at < len(spans):
            found = [before + spans[at] for before in found]
    return found


def _codes(layout: Layout) -> dict[Span, str]:
    """Returns the code of each part of a text."""
    codes: dict[Span, str] = {}

    def put(span: Span | int | None, padded: str, bare: str = "") -> None:
        if isinstance(span, tuple):
            codes[span] = bare if bare and span[1] - span[0] == 1 else padded

    put(layout.year, "%y" if layout.short_year else "%G" if layout.week else "%Y")
    put(layout.month, "%m", "{m}")
    put(layout.day, "%d", "{d}")
    put(layout.quarter, "0{q}", "{q}")
    put(layout.week, "%V", "{w}")
    put(layout.weekday, "%u")
    hour, minute, second, fraction = layout.clock or (None,) * 4
    put(hour, *(("%I", "{I}") if layout.half else ("%H", "{H}")))
    put(minute, "%M")
    put(second, "%S")
    put(fraction, f"{{{fraction[1] - fraction[0]}}}" if fraction else "")
    return codes


def _literals(piece: str, layout: Layout, months: Mapping[int, str]) -> list[str]:
    """Returns what may stand between the numbers of a text in a spelling: its words for month, weekday and half of the
    day are parts of the time, and so is the second year of a season."""
    choices = [piece]
    if layout.number == "seasons" and (year := re.search(r"\d+", piece)):
        code = "{Y}" if len(year[0]) == 4 else "{y}"
        return [piece[: year.start()] + code + piece[year.end() :]]
    for word in LETTERS.findall(piece):
        plain, codes = word.casefold(), []
        if isinstance(layout.month, int) and not layout.week and MONTHS.get(plain) == layout.month:
            codes = _month_codes(months)
        elif plain in WEEKDAYS:
            codes = list(DAY_NAMES)
        elif layout.half and plain in ("am", "pm"):
            codes = ["%p" if word.isupper() else "{p}"]
        if codes:
            choices = [choice.replace(word, code, 1) for choice in choices for code in codes]
    return choices


def _month_codes(months: Mapping[int, str]) -> list[str]:
    """Returns codes that give these words for months."""
    english = {code: [pd.Timestamp(2000, month, 1).strftime(code) for month in range(1, 13)] for code in MONTH_NAMES}
    codes = [code for code, names in english.items() if all(names[at - 1] == word for at, word in months.items())]
    for change in (str.upper, str.lower):
        for names in english.values():
            changed = [change(name) for name in names]
            if all(changed[at - 1] == word for at, word in months.items()):
                codes.append(f"{{{'|'.join(changed)}}}")
    if len(months) == 12:
        codes.append(f"{{{'|'.join(months[at] for at in range(1, 13))}}}")
    return codes
