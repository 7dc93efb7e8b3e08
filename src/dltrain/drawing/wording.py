"""Writes numbers, durations and names of classes for readers."""

from __future__ import annotations

import math
import re
from typing import Any

from dltrain.data.nouns import count as count
from dltrain.types import Facts

WORDS_OF_CODES = {"true", "false", "yes", "no", "on", "off", "是", "否"}
CODE = re.compile(r"[-+]?\d+(\.\d+)?|[A-Za-z]")
MINUS = str.maketrans("-", "−")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def spell(value: Any, digits: int = 4) -> str:
    """Returns a number with about that many significant digits; an en dash for `None`, NaN and infinities.

    A number below 1 is never rounded to 1.
    """
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size and (size < 1e-4 or size >= 1e9):
        mantissa, exponent = f"{value:.{digits - 2}e}".split("e")
        return f"{mantissa.translate(MINUS)}×{raised(int(exponent))}"
    if size >= 10 ** (digits - 1):
        return f"{value:,.0f}".translate(MINUS)
    magnitude = math.floor(math.log10(size)) if size else 0
    decimals = max(digits, digits - 2 - magnitude) if magnitude < 0 else digits - 1 - magnitude
    while size < 1 and round(size, decimals) == 1:
        decimals += 1
    return f"{value:.{decimals}f}".translate(MINUS)


def raised(exponent: float) -> str:
    """Returns ten to the power of a whole number: `10⁻³`."""
    return f"10{str(round(exponent)).translate(RAISED)}"


def spell_seconds(seconds: float) -> str:
    """Returns a duration in its two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def name_class(facts: Facts, index: int) -> str:
    """Returns a class's name, after the target's name where it is a bare code: `Survived = 1`, but `virginica`."""
    name = facts.classes[index]
    return f"{facts.target} = {name}" if is_code(name) else name


def is_code(name: str) -> bool:
    """Tells whether a class's name says nothing without the target's: a number, a Latin letter, yes or no."""
    return bool(CODE.fullmatch(name)) or name.casefold() in WORDS_OF_CODES
