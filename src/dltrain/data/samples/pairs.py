"""Generates questions and answers: sums of two numbers, and numbers in words."""

from __future__ import annotations

import numpy as np

ONES = [
    "", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NUMBERS = 1_000_000  # from 0 to below this


def write_sums(rows: int, digits: int, seed: int) -> tuple[list[str], list[str]]:
    """Returns sums such as `007+045`, and what they come to, such as `52`.

    No sum occurs twice; the same numbers in the other order may.

    Args:
        rows: number of sums; fewer where there are not as many.
        digits: of each number, zeros in front included.
        seed: of the numbers.
    """
    size = 10**digits
    random = np.random.default_rng(seed)
    if size * size <= 4 * rows:
        codes = random.permutation(size * size)[:rows]
    else:
        codes = np.unique(random.integers(0, size * size, 2 * rows))
        codes = random.permutation(codes)[:rows]
    pairs = [divmod(code, size) for code in codes.tolist()]
    sums = [f"{first:0{digits}d}+{second:0{digits}d}" for first, second in pairs]
    return sums, [str(first + second) for first, second in pairs]


def write_number_words(rows: int, seed: int) -> tuple[list[str], list[str]]:
    """Returns numbers below a million in English words, each once, and in digits."""
    random = np.random.default_rng(seed)
    numbers = random.permutation(NUMBERS)[:rows].tolist()
    return list(map(spell_out, numbers)), list(map(str, numbers))


def spell_out(number: int) -> str:
    """Returns a number from 0 to 999,999 in English words, such as `forty-five thousand three hundred twelve`."""
    if number == 0:
        return "zero"
    thousands, rest = divmod(number, 1000)
    parts = [f"{_below_thousand(thousands)} thousand"] if thousands else []
    return " ".join(parts + ([_below_thousand(rest)] if rest else []))


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    parts = [f"{ONES[hundreds]} hundred"] if hundreds else []
    if rest >= 20:
        tens, ones = divmod(rest, 10)
        parts.append(TENS[tens] + (f"-{ONES[ones]}" if ones else ""))
    elif rest:
        parts.append(ONES[rest])
    return " ".join(parts)
