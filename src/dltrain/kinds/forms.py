"""How the cells of a column are written: judged by the whole column and the whole file, and stored with the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Literal

import numpy as np
import pandas as pd

from dltrain.data.cell_parts import find_parts
from dltrain.data.cells import Cells, Form, name_list, read_cells, shorten
from dltrain.data.durations import Durations, parse_durations
from dltrain.data.number_format import Ambiguous, NumberFormat, Numbers
from dltrain.data.number_marks import Decimal, Marks, Thousands
from dltrain.data.numbers import ENOUGH_DISTINCT, FEW_WORDS, LEAST, infer_format, judge_marks
from dltrain.errors import DataError

MOST = 0.95  # the share of cells that have to be durations
WORDS_NAMED = 3

DecimalChoice = Literal["auto", ".", ","]
ThousandsChoice = Literal["auto", "none", ",", ".", " ", "'"]


@dataclass(frozen=True)
class Reading:
    """How cells are to be read, as far as the user or the whole file says.

    Args:
        given: the marks of numbers that the user gives.
        file: the marks that the columns of the file show together.
        dates: how dates are read, as in `infer_dates`.
    """

    given: Marks = Marks()  # noqa: RUF009 - it is frozen
    file: Marks = Marks()  # noqa: RUF009
    dates: str = "auto"

    @classmethod
    def of(
        cls,
        columns: Iterable[Cells],
        decimal: DecimalChoice = "auto",
        thousands: ThousandsChoice = "auto",
        dates: str = "auto",
    ) -> Reading:
        """Returns the reading of a file with these columns, the target among them."""
        mark: Decimal | None = None if decimal == "auto" else decimal
        grouping: Thousands | None = None if thousands == "auto" else "" if thousands == "none" else thousands
        texts = (cells.values for cells in columns if not cells.all_numbers)
        return cls(Marks(mark, grouping), judge_marks(texts), dates)


@dataclass(frozen=True)
class FormOfNumbers:
    """How the numbers of a column are written, and what about it is worth a note.

    Args:
        form: how they are written; `None` for plain numbers.
        remarks: what is not obvious, such as "the unit is kg" and which words are gaps.
    """

    form: Form | None
    remarks: tuple[str, ...]


def form_of_numbers(name: str, cells: Cells, reading: Reading, *, is_target: bool = False) -> FormOfNumbers | None:
    """Returns how the numbers of a column are written; `None` if it is not one of numbers.

    Args:
        name: of the column.
        cells: of the column.
        reading: of the file.
        is_target: whether the column is to be predicted, so that it has no role.

    Raises:
        DataError: the numbers have two readings, and nothing in the file decides.
    """
    if cells.all_numbers and not cells.as_written:
        return FormOfNumbers(None, ())
    found = infer_format(cells.values, cells.counts, reading.file, reading.given)
    if isinstance(found, Numbers):
        if cells.all_numbers and found.format == NumberFormat():
            return FormOfNumbers(None, ())
        return FormOfNumbers(found.format, (*found.remarks, *([note_gaps(found.gaps)] if found.gaps else [])))
    if found is None:
        return _form_of_durations(cells, words=True)
    durations = _form_of_durations(cells, words=False) if found.about == "unit" else None
    if durations is None:
        raise _ambiguous(name, cells, found, is_target=is_target)
    return durations


def _form_of_durations(cells: Cells, *, words: bool) -> FormOfNumbers | None:
    """Returns how the durations of a column are written; `None` if it is not one of them.

    Args:
        cells: of the column, nearly all of which have to be durations.
        words: whether half of them are enough if the others are a few words, such as DNF.
    """
    is_one = ~np.isnan(parse_durations(cells.values))
    count, present = int(cells.counts[is_one].sum()), cells.present
    durations, others = (list(compress(cells.values, which.tolist())) for which in (is_one, ~is_one))
    few_words = len(others) <= FEW_WORDS and len(durations) >= ENOUGH_DISTINCT and count >= LEAST * present
    if not durations or not (count > MOST * present or (words and few_words)):
        return None
    gaps = [note_gaps(others)] if others else []
    return FormOfNumbers(Durations.of(durations), ("durations, in seconds", *gaps))


def note_gaps(words: Sequence[str]) -> str:
    """Returns a remark on the words of a column that count as gaps."""
    return f"words are gaps: {name_list(map(shorten, words), WORDS_NAMED)}"


def read_written(column: pd.Series[Any], reading: Reading, cells: Cells | None = None) -> Cells:
    """Returns a column's cells, with the texts of plain numbers where other marks are possible.

    Args:
        column: the cells.
        reading: of the file.
        cells: the same as `read_cells` returned them, if they have been read.
    """
    cells = cells or read_cells(column)
    return read_cells(column, as_written=True) if _may_be_grouped(cells, reading) else cells


def _may_be_grouped(cells: Cells, reading: Reading) -> bool:
    """Tells whether plain numbers may be written with other marks: 1.200 may be 1200."""
    if not cells.all_numbers or not len(cells.numbers):
        return False
    if reading.given != Marks() or reading.file.decimal == "," or reading.file.mixed:
        return True
    finite = cells.numbers[np.isfinite(cells.numbers)]
    fractions = finite[finite % 1 != 0]
    thousandths = np.round(fractions * 1000)
    grouped = (np.abs(fractions) < 1000) & (np.abs(fractions) >= 1) & (np.abs(thousandths - fractions * 1000) < 1e-6)
    return bool(len(fractions) and grouped.all() and (thousandths % 10 != 0).any())


def form_to_json(form: Form | None) -> Any:
    """Returns the value that `form_from_json` reads."""
    if isinstance(form, NumberFormat):
        return form.to_json()
    if isinstance(form, Durations):
        return f"durations:{form.colons}" if form.colons else "durations"
    return None


def form_from_json(stored: Any) -> Form | None:
    """Returns the form that `form_to_json` stored."""
    if isinstance(stored, Mapping):
        return NumberFormat.from_json(stored)
    return None if stored is None else Durations(int(str(stored).partition(":")[2] or 0))


def _ambiguous(name: str, cells: Cells, found: Ambiguous, *, is_target: bool) -> DataError:
    readings = " or ".join(found.readings)
    if found.about == "marks":
        return DataError(
            f"the numbers of column {name!r} can be read in two ways: {readings}",
            where=f"column {name!r}",
            fix="say which mark is the decimal one: data.decimal=. or data.decimal=','",
            override="data.decimal=.",
        )
    if is_target:
        return DataError(
            f"the numbers of the target {name!r} can be read in two ways: {readings}",
            where="data.target",
            fix="write them alike in the file",
        )
    parts = found.about == "unit" and find_parts(cells.values, cells.counts, given=True) is not None
    use = "use the number and its unit as two inputs" if parts else "take the column as names of categories"
    return DataError(
        f"the numbers of column {name!r} can be read in two ways: {readings}",
        where=f"column {name!r}",
        fix=f"write them alike in the file, or {use}",
        override=f"data.roles={{{name}: {'parts' if parts else 'categorical'}}}",
    )
