"""Reads the numbers of a column as people write them: with marks, signs, units and multipliers, judged together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dltrain.data.number_format import (
    PERCENT,
    Ambiguous,
    NumberFormat,
    Numbers,
    fitting,
    parse_bodies,
    whole_bodies,
)
from dltrain.data.number_marks import (
    RARE,
    MarkConflict,
    MarkEvidence,
    Marks,
    choose_marks,
    combine_marks,
    find_evidence,
    number_pattern,
)
from dltrain.data.number_texts import OUT_OF, SplitTexts, Surroundings, split_texts, unit_key
from dltrain.data.units import sizes_of

MOST = 0.8  # the share of a column's cells that have to be numbers, whatever the others are
LEAST = 0.5  # the same where the others are a few words, such as n.d., or limits, such as <0.5
FEW_WORDS = 10
FREQUENT = 0.05  # the share of cells from which on a word may be a category of its own
ENOUGH_MEASURED = 100  # so many distinct whole numbers are amounts, whatever stands beside them
SHARED = 0.95  # the share of its numbers that have to have its unit
ENOUGH_DISTINCT = 20  # so many distinct numbers beside words are no names of categories
ENOUGH_FRACTIONS = 5  # so many, if some have decimal places
SAMPLE = 5_000  # texts of a column that are looked at for the marks of its file
SPELLED = {",": "commas", ".": "points", " ": "spaces", "'": "apostrophes"}
CODE = re.compile(r"[^\W\d_]\d|\d[^\W\d_]")  # V27, 12A
LIMIT = re.compile(r"(?:[<>]=?|[≤≥])\s*[0-9.,]*[0-9]")  # of what a device can measure
MANY_DECIMALS = 0.1  # texts like 12.5 for one like 1.234
ZERO = r"^-?0*[.,]?0*$"
PHONE_DIGITS = 9

__all__ = ["Ambiguous", "Marks", "NumberFormat", "Numbers", "infer_format", "judge_marks"]


def judge_marks(columns: Iterable[Sequence[str]]) -> Marks:
    """Returns the marks that the certain evidence in all columns shows.

    Texts such as `1.234,56`, `12,5` and `0,123` show a decimal comma, and `1,234.56`, `1.5` and `1,234,567` a decimal
    point; `1,234` shows nothing. Only columns of numbers that do not contradict themselves count.

    Args:
        columns: the distinct texts of each column of the file, without missing ones.
    """
    certain = []
    for texts in columns:
        sample = _sample(texts)
        split = split_texts(sample)
        bodies = whole_bodies(split, split.surroundings(False)).drop_null()
        evidence = find_evidence(bodies, np.ones(len(bodies), dtype=np.int64))
        marks = evidence.certain()
        choice = choose_marks(evidence, Marks(), marks)
        if not isinstance(choice, MarkConflict) and marks != Marks():
            valid = int(pc.sum(pc.match_substring_regex(bodies, number_pattern(*choice))).as_py())
            if valid >= MOST * len(sample) and len(bodies) - valid <= RARE * len(sample):
                certain.append(marks)
    return combine_marks(certain)


def _sample(texts: Sequence[str]) -> Sequence[str]:
    return texts[:: max(1, -(-len(texts) // SAMPLE))]


def infer_format(
    texts: Sequence[str],
    counts: Sequence[int] | NDArray[np.integer[Any]],
    file: Marks = Marks(),  # noqa: B008 - it is frozen
    given: Marks = Marks(),  # noqa: B008
) -> Numbers | Ambiguous | None:
    """Returns how the numbers of a column are written and what they are, or what is ambiguous about them; `None` if
    the column is not one of numbers.

    A column is one of numbers if 80 % of its cells are, with one format and one unit, or half of them if the others
    are a few words or limits such as <0.5; marks such as `..` do not count. If there are others, its numbers also have
    to be more than a few, so that 1, 2, 3 and A stay categories, and the others must not be codes such as V27. Whole
    numbers of which some begin with 0, or are beyond 2**53, are names.

    Args:
        texts: the distinct texts of the column, without missing ones.
        counts: how many cells hold each.
        file: the marks that the columns of the file show together; used where the column leaves them open.
        given: the marks that the user says; they always win, and texts with others are no numbers.
    """
    cells = np.asarray(counts, dtype=np.int64)
    if len(texts) > 2 * SAMPLE:
        # Of texts in general, and streets, a few tell. Distinct texts of a column of numbers are half numbers at least.
        sample = _sample(texts)
        column = _Column.split(sample, np.ones(len(sample), dtype=np.int64))
        if column.weights.sum() < len(sample) / 3 or (column.find_unit() is None and column.find_quantity() is None):
            return None
    column = _Column.split(texts, cells)
    return column.judge(file, given) if len(texts) and column.weights.sum() >= LEAST * column.telling else None


@dataclass(frozen=True)
class _Column:
    """A column's texts, split, of which most are numbers with some unit.

    Args:
        cells: `(n,)` how many cells hold each text.
        surroundings: what the texts before and after the digits mean, for each pair of `parts`.
        weights: how many cells have each of the surroundings.
        multipliers: whether there are texts such as k.
    """

    texts: Sequence[str]
    cells: NDArray[np.int64]
    parts: SplitTexts
    surroundings: Sequence[Surroundings | None]
    weights: NDArray[np.int64]
    multipliers: bool

    @classmethod
    def split(cls, texts: Sequence[str], cells: NDArray[np.int64]) -> _Column:
        """Returns the column with split texts, among whose surroundings there may be none of numbers."""
        parts = split_texts(texts)
        surroundings = parts.surroundings(False)
        weights = _weigh(parts, surroundings, cells)
        multipliers = any(s is not None and s.power > 0 and n > 0 for s, n in zip(surroundings, weights, strict=True))
        if multipliers:
            surroundings = parts.surroundings(True)
            weights = _weigh(parts, surroundings, cells)
        return cls(texts, cells, parts, surroundings, weights, multipliers)

    @property
    def telling(self) -> int:
        """Returns how many cells hold a letter or a digit; others, such as `..`, only say that there is no value."""
        return int(sum(count for text, count in zip(self.texts, self.cells.tolist(), strict=True) if _tells(text)))

    def judge(self, file: Marks, given: Marks) -> Numbers | Ambiguous | None:
        """Returns what `infer_format` does."""
        unit: str | Ambiguous | None = self.find_unit()
        others: Mapping[str, float] = {}
        if isinstance(unit, Ambiguous) or unit is None:
            converted = self.find_quantity()
            if converted is None:
                return unit
            unit, others = converted
        in_brackets = np.array([s is not None and s.brackets for s in self.surroundings])
        fits = fitting(self.surroundings, unit, brackets=True, others=others)
        mine = fits[self.parts.codes] & _not_null(self.parts.bodies)
        if in_brackets[fits].any() and not self.weights[fits & ~in_brackets].any():
            text = self.texts[int(mine.argmax())]
            return Ambiguous("brackets", (f"{text!r} is below zero", f"{text!r} is above zero"))
        bodies, cells = whole_bodies(self.parts, self.surroundings).filter(pa.array(mine)), self.cells[mine]
        marks = choose_marks(self._find_evidence(bodies, cells), file, given)
        if isinstance(marks, MarkConflict):
            return Ambiguous("marks", (_reading(marks.with_point, "."), _reading(marks.with_comma, ",")))
        brackets = bool(in_brackets[fits].any())
        style = NumberFormat(*marks, unit, self.multipliers, brackets, tuple(sorted(others.items())))
        numbers = style.read(self.parts, self.surroundings, fits)
        broken = cells[np.isnan(numbers[mine])].sum() > RARE * self.cells.sum()  # as 1.2.3 beside 1.2
        if broken or _are_codes(bodies, numbers, style) or self._are_words(numbers):
            return None
        gaps = np.flatnonzero(np.isnan(numbers))
        by_count = gaps[np.argsort(-self.cells[gaps], kind="stable")]
        return Numbers(style, numbers, tuple(str(self.texts[gap]) for gap in by_count), self._remark(style, numbers))

    def _find_evidence(self, bodies: pa.Array, cells: NDArray[np.int64]) -> MarkEvidence:
        if self.parts.numbers is not None:  # no mark but points, one a text: a few texts like 12.5 decide
            step = max(1, len(bodies) // SAMPLE)
            evidence = find_evidence(bodies[::step], cells[::step])
            if evidence.decimal["."].distinct > MANY_DECIMALS * evidence.open["."].distinct:
                return evidence
        return find_evidence(bodies, cells)

    def find_quantity(self) -> tuple[str, Mapping[str, float]] | None:
        """Returns the most frequent unit and how much of it the others are, if nearly all measure one quantity."""
        if len(self.texts) < ENOUGH_DISTINCT:
            return None
        by_key, names = self._count_units()
        key = max(by_key, key=lambda unit: by_key[unit])
        frequent = {unit for unit, count in by_key.items() if count > RARE * by_key.total()}
        sizes = sizes_of(key, frequent - {key})
        return None if sizes is None else (names[key], sizes)

    def _count_units(self) -> tuple[Counter[str], dict[str, str]]:
        """Returns how many cells have each unit, by its key, and the usual name of each; empty for none."""
        by_key: Counter[str] = Counter()
        names: dict[str, str] = {}
        for code in np.argsort(-self.weights, kind="stable"):
            if (s := self.surroundings[code]) is not None and self.weights[code]:
                by_key[unit_key(s.unit)] += int(self.weights[code])
                names.setdefault(unit_key(s.unit), s.unit)
        return by_key, names

    def find_unit(self) -> str | Ambiguous | None:
        """Returns the unit that nearly all numbers share, empty for none; the ambiguity if two units are frequent;
        `None` if many are, as after the numbers of houses."""
        by_key, names = self._count_units()
        units = [key for key in by_key if key]
        if not units:
            return ""
        if by_key[""]:
            by_key[""] -= self._bare_zeros()
        total = by_key.total()
        key = max(units, key=lambda unit: by_key[unit])
        if by_key[key] >= SHARED * total:
            return names[key]
        if by_key[""] >= SHARED * total:
            return ""
        second = max((other for other in by_key if other != key), key=lambda other: by_key[other])
        if any(map(OUT_OF.match, (key, second))):  # 1/2 and 3/4, or 120/80
            return None
        if by_key[key] + by_key[second] < SHARED * total:
            return None
        if {key, second} & PERCENT and "" in (key, second):
            text = self._example("")
            return Ambiguous("percent", (f"{text!r} is {text} {names[key]}", f"{text!r} is a share of 1"))
        if len(self.texts) < ENOUGH_DISTINCT:
            return None
        texts = [self._example(other) for other in (key, second)]
        readings = [f"in {names[other]}" if other else "without a unit" for other in (key, second)]
        return Ambiguous("unit", (f"{texts[0]!r} is {readings[0]}", f"{texts[1]!r} is {readings[1]}"))

    def _bare_zeros(self) -> int:
        """Returns how many cells are zeros without a unit."""
        bare = np.array([s is not None and not s.unit for s in self.surroundings])
        zero = pc.match_substring_regex(self.parts.bodies, ZERO).fill_null(False).to_numpy(zero_copy_only=False)
        return int(self.cells[zero & bare[self.parts.codes]].sum())

    def _example(self, key: str) -> str:
        """Returns the first number with a unit."""
        has_it = np.array([s is not None and unit_key(s.unit) == key for s in self.surroundings])
        return self.texts[int((has_it[self.parts.codes] & _not_null(self.parts.bodies)).argmax())]

    def _are_words(self, numbers: NDArray[np.float64]) -> bool:
        """Returns whether too many texts are no numbers, or are codes, or the numbers are so few that they may be
        names of categories."""
        gaps = np.flatnonzero(np.isnan(numbers))
        if not len(gaps):
            return False
        total = self.telling
        gaps = np.array([gap for gap in gaps.tolist() if _tells(self.texts[gap])], dtype=np.int64)
        words = [gap for gap in gaps.tolist() if not LIMIT.match(str(self.texts[gap]))]
        share = MOST if len(words) > FEW_WORDS else LEAST
        if self.cells[gaps].sum() > (1 - share) * total:
            return True
        codes = sum(int(self.cells[gap]) for gap in gaps.tolist() if CODE.search(str(self.texts[gap])))
        distinct = np.unique(numbers[~np.isnan(numbers)])
        fractions = bool(np.any(distinct % 1))
        frequent = sum(int(self.cells[word]) > FREQUENT * total for word in words)
        many = self.cells[gaps].sum() > (1 - MOST) * total
        if many and frequent > 1 and not fractions and len(distinct) < ENOUGH_MEASURED:  # S, L and 30 to 54 are sizes
            return True
        enough = ENOUGH_FRACTIONS if fractions else ENOUGH_DISTINCT
        return codes > RARE * total or len(distinct) < max(enough, len(words))

    def _remark(self, style: NumberFormat, numbers: NDArray[np.float64]) -> tuple[str, ...]:
        """Returns what a reader of the table may want to know, each with the first example."""
        is_number = ~np.isnan(numbers)
        remarks = [f"the unit is {style.unit}"] if style.unit else []
        if style.others:
            other = style.others[0][0]
            first = self._example(other)
            remarks.append(f"other units are converted: {first!r} is {style.parse([first])[0]:.15g} {style.unit}")

        def add(what: str, applies: NDArray[np.bool_]) -> None:
            applies = applies & is_number
            if applies.any():
                first = int(applies.argmax())
                remarks.append(f"{what}: {self.texts[first]!r} is {numbers[first]:.15g}")

        if style.thousands:
            add(f"{SPELLED[style.thousands]} separate thousands", self._has(style.thousands))
        if style.decimal == ",":
            add("commas are decimal marks", self._has(","))
        each = self.parts.codes
        add("multipliers are read", np.array([s is not None and s.power > 0 for s in self.surroundings])[each])
        add("brackets mean minus", np.array([s is not None and s.brackets for s in self.surroundings])[each])
        add("approximations are read", np.array([s is not None and s.about for s in self.surroundings])[each])
        add(
            "marks of footnotes are left out", np.array([s is not None and s.footnote for s in self.surroundings])[each]
        )
        return tuple(remarks)

    def _has(self, mark: str) -> NDArray[np.bool_]:
        return pc.match_substring(self.parts.bodies, mark).fill_null(False).to_numpy(zero_copy_only=False)


def _are_codes(bodies: pa.Array, numbers: NDArray[np.float64], style: NumberFormat) -> bool:
    """Returns whether whole numbers without a unit are names: some begin with 0, or they are phone numbers."""
    if (
        style.unit
        or np.nanmax(numbers % 1, initial=0) > 0
        or not pc.all(pc.match_substring_regex(bodies, "^[0-9 ]+$")).as_py()
    ):
        return False
    if pc.any(pc.match_substring_regex(bodies, "^0[0-9]")).as_py():
        return True
    if style.thousands != " ":
        return False
    lengths = pc.min_max(pc.binary_length(pc.replace_substring(bodies, " ", "")))
    return len(bodies) > 1 and lengths["min"].as_py() == lengths["max"].as_py() >= PHONE_DIGITS


def _weigh(
    split: SplitTexts, surroundings: Sequence[Surroundings | None], cells: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Returns how many cells have each of the surroundings of a number."""
    weights = np.bincount(split.codes, weights=np.where(_not_null(split.bodies), cells, 0), minlength=len(surroundings))
    return np.where([s is not None for s in surroundings], weights, 0).astype(np.int64)


def _reading(text: str, decimal: Literal[".", ","]) -> str:
    bare = pa.array([re.sub("[ ']", "", text)])
    return f"{text!r} is {parse_bodies(bare, decimal, '.' if decimal == ',' else ',')[0]:.15g}"


def _tells(text: str) -> bool:
    return any(map(str.isalnum, text))


def _not_null(texts: pa.Array) -> NDArray[np.bool_]:
    return texts.is_valid().to_numpy(zero_copy_only=False)
