"""How the numbers of a column are written, and the numbers of new texts that are written so."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dltrain.data.number_marks import Decimal, Thousands, number_pattern
from dltrain.data.number_texts import SplitTexts, Surroundings, split_texts, unit_key

PERCENT = frozenset({"%", "‰"})


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    Args:
        decimal: the decimal mark.
        thousands: the mark between groups of three digits, which numbers may have or not; empty for none.
        unit: the text before or after the numbers, such as `$`, `kg` or `%`; empty for none.
        multipliers: whether k, M, 万 and the like occur, so that letters such as m and B, else units, multiply too.
        brackets: whether brackets stand for a minus sign, as in (3,615).
        others: the keys of other units that occur, and how much of `unit` one of each is.
    """

    decimal: Decimal = "."
    thousands: Thousands = ""
    unit: str = ""
    multipliers: bool = False
    brackets: bool = False
    others: tuple[tuple[str, float], ...] = ()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> NumberFormat:
        """Returns the format that `to_json` has stored."""
        return replace(cls(**stored), others=tuple((str(key), float(size)) for key, size in stored.get("others", ())))

    def to_json(self) -> dict[str, Any]:
        """Returns the format as a dictionary for JSON."""
        stored = asdict(self)
        if not self.others:
            del stored["others"]
        return stored

    def parse(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Returns the numbers of texts, `(N,)`; NaN where a text is no number in this format.

        Minus signs may be trailing, and the signs of an approximation are left out: ~3615 and 3600+. A text with
        another unit is no number, and one without the unit is, except in percent, where 0.7 may be 70 %; zero needs no
        unit. Whole numbers beyond 2**53 are none, because floats cannot tell them apart.
        """
        split = split_texts(texts)
        surroundings = split.surroundings(self.multipliers)
        return self.read(split, surroundings, fitting(surroundings, self.unit, self.brackets, dict(self.others)))

    def read(
        self, split: SplitTexts, surroundings: Sequence[Surroundings | None], fits: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Returns the numbers of split texts, `(N,)`, of those whose surroundings fit; others only if they are zero."""
        bodies = whole_bodies(split, surroundings)
        exponents = np.array([f"e{s.power}" if s and s.power else "" for s in surroundings], dtype=object)
        each = pa.array(exponents[split.codes], pa.string()) if exponents.any() else None
        numbers = parse_bodies(bodies, self.decimal, self.thousands, each, split.numbers)
        signs = np.array([s.sign if s else 1 for s in surroundings])
        if signs.min() < 0:
            numbers = numbers * signs[split.codes]
        if self.others:
            sizes = dict(self.others)
            numbers = (
                numbers * np.array([sizes.get(unit_key(s.unit), 1.0) if s else 1.0 for s in surroundings])[split.codes]
            )
        bare = np.array([s is not None and not s.unit for s in surroundings])
        wrong = ~fits[split.codes] & ~(bare[split.codes] & (numbers == 0))
        numbers[wrong] = np.nan
        return numbers


@dataclass(frozen=True)
class Numbers:
    """A column that is one of numbers.

    Args:
        format: how they are written.
        numbers: `(n,)` the numbers of the distinct texts, NaN where a text is none.
        gaps: the texts that are no numbers, the most frequent first.
        remarks: what is not obvious, with an example, such as "commas separate thousands: '2,047' is 2047".
    """

    format: NumberFormat
    numbers: NDArray[np.float64]
    gaps: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Ambiguous:
    """A column of numbers that can be read in two ways.

    Args:
        about: what is open: the marks (`data.decimal` or `data.thousands` decide), the unit, whether numbers without a
            percent sign are shares, or whether brackets that are everywhere mean minus.
        readings: two examples, such as "'1,234' is 1.234" and "'1,234' is 1234".
    """

    about: Literal["marks", "unit", "percent", "brackets"]
    readings: tuple[str, str]


def fitting(
    surroundings: Sequence[Surroundings | None], unit: str, brackets: bool, others: Collection[str] = ()
) -> NDArray[np.bool_]:
    """Returns which surroundings have this unit or another one, or none if that is no percent sign and the only one."""
    keys = {unit_key(unit), *others} | (set() if unit in PERCENT or others else {""})
    return np.array([s is not None and unit_key(s.unit) in keys and brackets >= s.brackets for s in surroundings])


def whole_bodies(split: SplitTexts, surroundings: Sequence[Surroundings | None]) -> pa.Array:
    """Returns the digits with the mark before them; null where the surroundings are not those of a number."""
    bodies = split.bodies
    if not all(surroundings):
        no_number = np.array([s is None for s in surroundings])[split.codes]
        bodies = pc.if_else(pa.array(no_number), None, bodies)
    if any(s and s.mark for s in surroundings):
        marks = np.array([s.mark if s else "" for s in surroundings], dtype=object)[split.codes]
        bodies = pc.binary_join_element_wise(pa.array(marks, pa.string()), bodies, "")
    return bodies


def parse_bodies(
    bodies: pa.Array,
    decimal: str,
    thousands: str,
    exponents: pa.Array | None = None,
    with_points: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Returns the numbers `(N,)`; NaN where the marks are others, or a whole number is beyond 2**53.

    Args:
        exponents: `(N,)` what follows each, such as "e3" for thousands, because 4.35 * 100 is not 435 in floats.
        with_points: the numbers, if all texts can be read with decimal points.
    """
    if with_points is not None and decimal == "." and np.all(np.abs(with_points) < 2**53):
        return with_points.copy()
    numbers = np.full(len(bodies), np.nan)
    pattern = number_pattern(decimal, thousands)
    valid = pc.match_substring_regex(bodies, pattern).fill_null(False)
    if exponents is not None:
        valid = pc.and_not(valid, pc.and_(pc.match_substring_regex(bodies, "[eE]"), pc.not_equal(exponents, "")))
        valid = valid.fill_null(False)
        bodies = pc.binary_join_element_wise(bodies, exponents, "")
    chosen = bodies if pc.all(valid).as_py() else bodies.filter(valid)
    if thousands:
        chosen = pc.replace_substring(chosen, thousands, "")
    if decimal != ".":
        chosen = pc.replace_substring(chosen, decimal, ".")
    read = np.array(pc.cast(chosen, pa.float64()))
    large = np.flatnonzero(~(np.abs(read) < 2**53))
    for i, text in zip(large, chosen.take(pa.array(large)).to_pylist(), strict=True):
        if np.isinf(read[i]) or (text.lstrip("+-").isdigit() and abs(int(text)) > 2**53):
            read[i] = np.nan
    numbers[valid.to_numpy(zero_copy_only=False)] = read
    return numbers
