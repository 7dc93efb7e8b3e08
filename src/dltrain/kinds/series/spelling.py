"""Spells times as a file spells them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y")
BARE = ("{d}/{m}/%Y", "{m}/{d}/%Y", "{d}.{m}.%Y", "%Y/{m}/{d}", "%Y-{m}-{d}", "{d}/{m}/%y", "{m}/{d}/%y")
CLOCKS = (" %H:%M:%S", " %H:%M", "T%H:%M:%S", "T%H:%M", " {H}:%M", " {H}:%M:%S", " %I:%M:%S %p", " %I:%M %p")
SPELLINGS = (
    *("%Y-%m", "%Y/%m", "%Y.%m", "%Y%m", "%Y年%m月", "%Y年{m}月", "%Y-{m}", "%YM%m", "%YM{m}"),
    *(
        "%Y-%m-%d",
        "%Y/%m/%d",
        "%Y.%m.%d",
        "%Y%m%d",
        "%Y年%m月%d日",
        "%Y年{m}月{d}日",
        "%d.%m.%Y",
        "%d/%m/%Y",
        "%m/%d/%Y",
    ),
    *(f"{date}{clock}" for date in (*DATES, *BARE) for clock in CLOCKS),
    *("%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d%H", "%Y%m%d %H:%M", "%Y%m%dT%H%M%S"),
    *("%b-%y", "%b-%Y", "%b %Y", "%B %Y", "%d-%b-%y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%m/%Y", "%m-%Y", "%m.%Y"),
    *(
        "%B %d, %Y",
        "%d %B %Y",
        "{d} %b %Y",
        "{d} %B %Y",
        "%b {d}, %Y",
        "%B {d}, %Y",
        "%b %y",
        "%y-%b",
        "%Y-%b",
        "%Y %b",
    ),
    *("%d-%m-%Y", "%m-%d-%Y", "%d-%m-%y", "%m-%d-%y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", *BARE),
    *(
        "{q}-%Y",
        "{q}/%Y",
        "%Y-{q}",
        "%YQ{q}",
        "%Y-Q{q}",
        "%Y Q{q}",
        "%Yq{q}",
        "Q{q} %Y",
        "Q{q}-%Y",
        "Q{q}/%Y",
        "{q}Q%Y",
    ),
    *(
        "%G-W%V",
        "%GW%V",
        "%G W%V",
        "%G-%V",
        "W%V %G",
        "W%V-%G",
        "%G-W%V-%u",
        "Week {w} %G",
        "week {w} %G",
        "KW {w} %G",
        "%Y",
    ),
)
COUNTED = {"unix": 1, "unix_ms": 1000}  # how many a second has, counted from 1970 on
PART = re.compile(r"\{([dmHqw])\}")


def spell_time(moment: pd.Timestamp, spelling: str) -> str:
    """Returns a time in a spelling: a format for `strftime`, in which {d}, {m} and {H} are day, month and hour without
    zeros before them, and {q} and {w} are quarter and week; or `unix` or `unix_ms` for a number."""
    if spelling in COUNTED:
        return str(round((moment - pd.Timestamp(0)).total_seconds() * COUNTED[spelling]))
    numbers = {"d": moment.day, "m": moment.month, "H": moment.hour, "q": moment.quarter, "w": moment.week}
    return moment.strftime(PART.sub(lambda match: str(numbers[match[1]]), spelling))


def find_spelling(moments: Sequence[pd.Timestamp], texts: Sequence[str]) -> str:
    """Returns the spelling that gives all of these texts for their times; empty if none does."""
    pairs = list(zip(moments, texts, strict=True))
    return next((each for each in SPELLINGS if all(spell_time(moment, each) == text for moment, text in pairs)), "")
