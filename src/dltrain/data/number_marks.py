"""The decimal and thousands marks of numbers: which ones a column and a whole file show."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Decimal = Literal[".", ","]
Thousands = Literal["", ",", ".", " ", "'"]

EXPONENT = r"(?:[eE][+-]?[0-9]+)?"
FEW_GROUPED = 5  # so many texts like 1.234 beside 464 leave open whether the point is a decimal one
RARE = 0.01  # a share of cells that may be slips


@dataclass(frozen=True)
class Marks:
    """The marks with which numbers are written.

    Args:
        decimal: the decimal mark; `None` if there is no evidence.
        thousands: the mark between groups of three digits, empty if there is none; `None` if there is no evidence.
        mixed: whether columns of the file contradict each other, so that nothing may be presumed.
    """

    decimal: Decimal | None = None
    thousands: Thousands | None = None
    mixed: bool = False


@dataclass(frozen=True)
class MarkConflict:
    """Two texts, or one text twice, whose numbers cannot be told without knowing the decimal mark."""

    with_point: str
    with_comma: str


@dataclass(frozen=True)
class MarkEvidence:
    """What the numbers of one column show of their marks.

    Args:
        decimal: for each sign the texts that only a decimal mark explains, such as 12,5 and 0,123 and 1.234,56.
        thousands: for each mark the texts that only a thousands mark explains, such as 1,234,567.
        open: for each sign the texts that both explain, such as 1,234.
        short: how many whole numbers have up to three digits; counted only beside such open texts.
        long: how many numbers are written with four and more digits and no thousands mark; counted as well then only.
    """

    decimal: dict[Decimal, Texts]
    thousands: dict[str, Texts]
    open: dict[Decimal, Texts]
    short: int
    long: int

    def certain(self) -> Marks:
        """Returns the marks that this column alone shows."""
        point = bool(self.decimal["."] or self.thousands[","])
        comma = bool(self.decimal[","] or self.thousands["."])
        grouping: list[Thousands] = [mark for mark in THOUSANDS if self.thousands[mark]]
        return Marks(
            decimal=None if point == comma else "." if point else ",",
            thousands=grouping[0] if len(grouping) == 1 and not (point and comma) else None,
            mixed=point and comma,
        )


@dataclass(frozen=True)
class Texts:
    """Some texts of a column: how many there are, how many cells hold them, and the first one."""

    distinct: int
    cells: int
    first: str

    def __bool__(self) -> bool:
        return self.distinct > 0


THOUSANDS: tuple[Thousands, ...] = (",", ".", " ", "'")


def number_pattern(decimal: str, thousands: str) -> str:
    """Returns the regular expression of the numbers that are written with these marks."""
    d, whole = re.escape(decimal), "[0-9]+"
    if thousands:
        t = re.escape(thousands)
        whole = rf"(?:[1-9][0-9]{{0,2}}(?:{t}[0-9]{{3}})+|[0-9]+)"
    if thousands == ",":  # 12,34,567 in India
        whole = rf"(?:[1-9][0-9]?(?:,[0-9]{{2}})*,[0-9]{{3}}|{whole})"
    ending = r"|[0-9]+\." if decimal == "." else ""  # 12. is 12
    return rf"^[+-]?(?:{whole}(?:{d}[0-9]+)?|{d}[0-9]+{ending}){EXPONENT}$"


def find_evidence(bodies: pa.Array, cells: NDArray[np.int64]) -> MarkEvidence:
    """Collects what numbers show of their marks.

    Args:
        bodies: `(N,)` the digits of numbers with their marks.
        cells: `(N,)` how many cells hold each.
    """

    def matching(pattern: str) -> Texts:
        matches = pc.match_substring_regex(bodies, pattern).to_numpy(zero_copy_only=False).astype(bool)
        first = int(matches.argmax()) if len(matches) else 0
        return Texts(int(matches.sum()), int(cells[matches].sum()), str(bodies[first]) if matches.any() else "")

    nothing = Texts(0, 0, "")
    present = {mark for mark in THOUSANDS if pc.any(pc.match_substring(bodies, mark)).as_py()}
    decimal: dict[Decimal, Texts] = {}
    opened: dict[Decimal, Texts] = {}
    thousands: dict[str, Texts] = {}
    signs: tuple[tuple[Decimal, Decimal], ...] = ((",", "."), (".", ","))
    for mark, other in signs:
        m, o = re.escape(mark), re.escape(other)
        decimal[mark] = opened[mark] = thousands[mark] = nothing
        if mark in present:
            opened[mark] = matching(rf"^[+-]?[1-9][0-9]{{0,2}}{m}[0-9]{{3}}$")
            grouped = rf"[1-9][0-9]{{0,2}}(?:[{o} '][0-9]{{3}})+"
            places = r"(?:[0-9]{1,2}|[0-9]{4,})"
            decimal[mark] = matching(
                rf"^[+-]?(?:{grouped}{m}[0-9]+|[1-9][0-9]{{0,2}}{m}{places}|(?:0[0-9]*|[1-9][0-9]{{3,}})?{m}[0-9]+){EXPONENT}$"
                rf"|^[+-]?[0-9]+{m}[0-9]+[eE][+-]?[0-9]+$"
            )
            indian = "|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}" if mark == "," else ""
            thousands[mark] = matching(
                rf"^[+-]?(?:(?:[1-9][0-9]{{0,2}}(?:{m}[0-9]{{3}}){{2,}}{indian})(?:{o}[0-9]+)?"
                rf"|[1-9][0-9]{{0,2}}{m}[0-9]{{3}}{o}[0-9]+)$"
            )
    for blank in (" ", "'"):
        pattern = rf"^[+-]?[1-9][0-9]{{0,2}}(?:{blank}[0-9]{{3}})+(?:[.,][0-9]+)?$"
        thousands[blank] = matching(pattern) if blank in present else nothing
    short, long = nothing, nothing
    if opened[","] or opened["."]:
        short, long = matching("^[+-]?[0-9]{1,3}$"), matching("^[+-]?[0-9]{4}")
    return MarkEvidence(decimal, thousands, opened, short.distinct, long.distinct)


def combine_marks(columns: Iterable[Marks]) -> Marks:
    """Returns the marks of a file, whose columns show these: none where they contradict each other."""
    columns = list(columns)
    decimals = {marks.decimal for marks in columns} - {None}
    thousands = {marks.thousands for marks in columns} - {None}
    if len(decimals) > 1 or any(marks.mixed for marks in columns):
        return Marks(mixed=True)
    return Marks(
        decimal=decimals.pop() if decimals else None, thousands=thousands.pop() if len(thousands) == 1 else None
    )


def choose_marks(evidence: MarkEvidence, file: Marks, given: Marks) -> tuple[Decimal, Thousands] | MarkConflict:
    """Returns the decimal and the thousands mark of a column, or texts that leave it open.

    Args:
        evidence: of the column, which wins over the file's.
        file: what the columns of the file show together.
        given: what the user says, which wins over everything.
    """
    decimal = _given_decimal(given) or _choose_decimal(evidence, file)
    if isinstance(decimal, MarkConflict):
        return decimal
    if given.thousands is not None:
        return decimal, given.thousands
    other: Decimal = "," if decimal == "." else "."
    cells: dict[Thousands, int] = {
        other: evidence.thousands[other].cells + evidence.open[other].cells,
        " ": evidence.thousands[" "].cells,
        "'": evidence.thousands["'"].cells,
    }
    most = max(cells, key=lambda mark: cells[mark])
    if cells[most]:
        return decimal, most
    return decimal, file.thousands if file.thousands and file.thousands != decimal else ""


def _given_decimal(given: Marks) -> Decimal | None:
    if given.decimal is not None:
        return given.decimal
    return {",": ".", ".": ","}.get(given.thousands or "")  # type: ignore[return-value]


def _choose_decimal(evidence: MarkEvidence, file: Marks) -> Decimal | MarkConflict:
    point = evidence.decimal["."] or evidence.thousands[","]
    comma = evidence.decimal[","] or evidence.thousands["."]
    grouped = evidence.short > 0 and evidence.long == 0  # as thousands are: 2,047 beside 464, and no 2047
    if point and comma:
        return MarkConflict(point.first, comma.first)
    if point or comma:
        decimal: Decimal = "." if point else ","
        # One 12,5 among many 2,047 beside 464 is rather a slip.
        rare, frequent = evidence.decimal[decimal], evidence.open[decimal]
        slip = grouped and 0 < rare.cells < RARE * frequent.cells
        if not slip:
            return decimal
        return MarkConflict(*((rare.first, frequent.first) if point else (frequent.first, rare.first)))
    with_comma, with_point = evidence.open[","], evidence.open["."]
    if not with_comma and not with_point:
        return file.decimal or "."
    undecided = MarkConflict((with_comma or with_point).first, (with_comma or with_point).first)
    if with_comma and with_point:
        return file.decimal or undecided
    if with_comma:
        if file.decimal == ",":
            return undecided if grouped else ","
        return "." if grouped or file.decimal == "." else undecided
    if file.decimal == ",":
        return "," if evidence.long == 0 else undecided
    many = with_point.distinct >= FEW_GROUPED and grouped
    return undecided if file.decimal is None and (file.mixed or many) else "."
