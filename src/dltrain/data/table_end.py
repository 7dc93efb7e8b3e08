"""Tells the lines and rows below and within a table that are no rows of it: sources, notes and totals."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dltrain.data.cells import name_list, shorten
from dltrain.data.number_format import NumberFormat, Numbers
from dltrain.data.numbers import infer_format
from dltrain.data.table_records import Record, is_missing, is_number_like

MOST = 20  # lines below a table
FOOTER = re.compile(
    r"\W*(sources?|notes?|footnotes?|quelle|hinweis|anmerkung|fuente|nota|copyright|generated|exported|printed|rows|"
    r"retrieved|downloaded|created|last updated|data (from|provided)|end of|total (rows|records)|records)"
    r"(\s*[:.]|\s+(by|on|at|from|the|file|of|data|table)\b)|\W*(数据来源|资料来源|来源|说明|备注|注)\s*[:：]|\W*©|"
    r"[*†‡#%]+\s?\S|\(?[\d,]+ rows?\b",
    re.IGNORECASE,
)
TOTAL = re.compile(
    r"\W*(grand |sub-?|overall )?totals?\b.{0,20}|sums?|summe|gesamt(summe)?|insgesamt|zwischensumme|total général|"
    r"totale|somme|suma|ukupno|итого|всего|合计|总计|小计|总和|averages?|mean|avg\.?|durchschnitt|mittelwert|moyenne|promedio|"
    r"平均值?|均值|all",
    re.IGNORECASE,
)
SUBTOTAL = re.compile(
    rf"{TOTAL.pattern}|.{{1,60}}\b(totals?|summe|gesamt|итого)\W*|.{{1,60}}(合计|小计)", re.IGNORECASE
)
STATISTICS: Mapping[str, Callable[[NDArray[np.float64]], float]] = {  # of rows below a table, by their names
    r"max(imum)?|最大值?|höchstwert": np.max,
    r"min(imum)?|最小值?|mindestwert": np.min,
    r"median|中位数": np.median,
    r"(sd|std|stdev|std?\. ?dev|standard deviation|standardabweichung|标准差)\.?": lambda x: float(np.std(x, ddof=1)),
    r"(count|n|anzahl|计数)": len,
}
MOST_ROWS = 20_000  # of a table that may have subtotals; longer ones are no reports


def are_footers(records: Sequence[Record], width: int, numbers_first: bool) -> bool:
    """Tells whether the last lines of a text, which do not fit the table, are certainly no rows.

    Args:
        records: the lines.
        width: the number of fields of the table.
        numbers_first: whether the table's first column has only numbers.
    """
    if not records or len(records) > MOST:
        return False
    if any(not record.cells[0].strip() or is_number_like(record.cells[0]) for record in records):
        return False
    first = records[0]
    alone = first.filled == 1 and width > 1 and re.search(r"[^\W\d]", first.cells[0]) is not None
    return FOOTER.match(first.cells[0].strip()) is not None or (alone and (first.after_blank or numbers_first))


def leave_out_end(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Returns a table without last rows that are footers or totals, and without subtotals, and notes on them."""
    count, notes = _footers(frame)
    frame, subtotal_notes = _leave_out_subtotals(frame.iloc[: len(frame) - count] if count else frame)
    frame, total_notes = _leave_out_totals(frame)
    return frame, [*notes, *subtotal_notes, *total_notes]


def leave_out_labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the last rows of a long table without those called totals, in which other columns of words are empty."""
    end = len(frame)
    words = [column for column in range(frame.shape[1]) if end and _numbers(frame.iloc[:-1, column]) is None]
    while end and _is_labelled(cells := _texts(frame, end - 1)) and sum(bool(cells[column]) for column in words) == 1:
        end -= 1
    return frame.iloc[:end]


def _texts(frame: pd.DataFrame, position: int) -> list[str]:
    """Returns a row's cells as texts, empty where they are missing."""
    cells: list[Any] = [frame.iloc[position, column] for column in range(frame.shape[1])]
    return ["" if pd.isna(cell) else str(cell).strip() for cell in cells]


def _footers(frame: pd.DataFrame) -> tuple[int, list[str]]:
    """Returns how many last rows are footers of one cell, and a note about them."""
    if len(frame) < 4 or frame.shape[1] < 2:
        return 0, []
    head = [str(cell) for cell in frame.iloc[:100, 0] if not pd.isna(cell)]
    count, footers, blank = 0, [], False
    for position in range(len(frame) - 1, max(len(frame) - MOST, 2), -1):
        cells = _texts(frame, position)
        if not any(cells):
            blank = True
        elif cells[0] and not any(cells[1:]) and not is_number_like(cells[0]):
            footers.append((cells[0], count := len(frame) - position))
            blank = False
        else:
            break
    if not footers:
        return 0, []
    texts = [text for text, _ in reversed(footers)]
    body = head[: max(0, len(frame) - count)]
    numbers_first = len(body) > 2 and all(map(is_number_like, body))
    if TOTAL.fullmatch(texts[0]) or not (FOOTER.match(texts[0]) or blank or numbers_first):
        return 0, []
    return count, [f"left out below the table: {shorten(texts[0])}"]


def _leave_out_subtotals(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Returns a table without rows that are called totals and have the sums of the rows since the last one, if there
    are several, and a note on them."""
    subtotals: list[int] = []
    for position in _called_totals(frame):
        start = subtotals[-1] + 1 if subtotals else 0
        block = [_numbers(frame.iloc[start:position, column]) for column in range(frame.shape[1])]
        if position - start > 1 and _sums(frame, position, _texts(frame, position), block, exactly=False):
            subtotals.append(position)
    if len(subtotals) < 2:
        return frame, []
    labels = [next(filter(None, _texts(frame, position))) for position in subtotals]
    note = f"left out {len(subtotals)} rows with sums of the rows above them: {name_list(labels, 3)}"
    return frame.drop(frame.index[subtotals]).reset_index(drop=True), [note]


def _called_totals(frame: pd.DataFrame) -> list[int]:
    """Returns the positions of rows whose first text is the name of a total."""
    if len(frame) > MOST_ROWS:
        return []
    called: set[int] = set()
    for column in range(min(2, frame.shape[1])):
        cells = frame.iloc[:, column]
        if pd.api.types.is_string_dtype(cells.dtype) or pd.api.types.is_object_dtype(cells.dtype):
            names = [name for name in cells.dropna().unique() if SUBTOTAL.fullmatch(str(name).strip())]
            called.update(np.flatnonzero(cells.isin(names)).tolist() if names else [])
    first = {at: next(filter(None, _texts(frame, at))) for at in sorted(called)}
    # Rows of one name that follow each other are a category's.
    alone = [at for at in first if first[at] not in (first.get(at - 1), first.get(at + 1))]
    return [at for at in alone if SUBTOTAL.fullmatch(first[at])]


def _leave_out_totals(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Returns a table without last rows that are sums, means or other statistics of the others, and notes on them."""
    end = len(frame)
    while end > 3 and not any(_texts(frame, end - 1)):
        end -= 1
    stop, notes = end, []
    while stop > 3 and end - stop < MOST and _label(_texts(frame, stop - 1)):
        stop -= 1
    if stop < end and len({_texts(frame, at)[0] for at in range(stop, end)}) < (end - stop + 1) // 2:
        return frame, []  # names that repeat are a category's
    unlabelled = stop == end and end > 5 and (len(frame) <= MOST_ROWS or not _texts(frame, end - 1)[0])
    if unlabelled:
        stop -= 1
    if stop == end or (unlabelled and not _begins_with_a_sum(frame, stop)):
        return frame, []
    body = frame.iloc[:stop]
    numbers = [_numbers(body.iloc[:, column]) for column in range(frame.shape[1])]
    left_out = []
    for position in range(stop, end):
        cells = _texts(frame, position)
        label = _label(cells)
        summed = _sums(frame, position, cells, numbers, exactly=unlabelled, every=not _is_labelled(cells))
        if summed or _is_statistic(label, cells, numbers):
            left_out.append(position)
            words = f"{shorten(label)}" if label else "which has the columns' sums"
            notes.append(f"left out the row {position + 1} below the header, a total: {words}")
        elif _is_labelled(cells):
            notes.append(
                f"row {position + 1} is called {shorten(label)}, but has no sums of the columns: it counts as a row"
            )
    if not left_out:
        return frame, notes
    return frame.drop(frame.index[left_out]).reset_index(drop=True), notes


def _begins_with_a_sum(frame: pd.DataFrame, position: int) -> bool:
    """Tells whether the first filled cell of a row is the sum of its column, so that reading all columns pays."""
    cells = _texts(frame, position)
    column = next((at for at, cell in enumerate(cells) if cell), None)
    above = None if column is None else _numbers(frame.iloc[:position, column])
    return above is not None and bool(np.isclose(above.read(cells[column or 0]), above.values.sum(), rtol=1e-9, atol=0))


def _is_labelled(cells: Sequence[str]) -> bool:
    """Tells whether the first filled cell of a row is the name of a total."""
    first = next((cell for cell in cells if cell), "")
    return TOTAL.fullmatch(first) is not None


def _label(cells: Sequence[str]) -> str:
    """Returns the first cell of a row that is the name of a total or of another statistic; empty if there is none."""
    return next((cell for cell in cells if TOTAL.fullmatch(cell) or _statistic(cell)), "")


def _statistic(label: str) -> Callable[[NDArray[np.float64]], float] | None:
    """Returns the statistic that a cell names; None if it names none."""
    return next((of for name, of in STATISTICS.items() if re.fullmatch(name, label, re.IGNORECASE)), None)


def _is_statistic(label: str, cells: Sequence[str], numbers: Sequence[_Numbers | None]) -> bool:
    """Tells whether all numbers of a row, at least two, are the statistic of their columns that its label names."""
    statistic = _statistic(label)
    if statistic is None:
        return False
    pairs = [
        (above.read(cell), float(statistic(above.values)))
        for cell, above in zip(cells, numbers, strict=True)
        if cell and above is not None
    ]
    return len(pairs) > 1 and all(np.isclose(own, right, rtol=5e-3, atol=0) for own, right in pairs)


@dataclass(frozen=True)
class _Numbers:
    """The numbers of a column's present cells `(n,)`, and how they are written; `None` for points and commas between
    thousands."""

    values: NDArray[np.float64]
    form: NumberFormat | None = None

    def read(self, cell: str) -> float:
        """Returns the number of another cell; NaN if it is none."""
        if self.form is not None:
            return float(self.form.parse([cell])[0])
        return float(_plain(pd.Series([cell]))[0])


def _numbers(column: pd.Series[Any]) -> _Numbers | None:
    """Returns the numbers of a column; None if it has any other cell."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        return None
    texts = column.dropna().astype(str)
    form = None
    if texts.str.contains(",", regex=False).any():
        of_text = texts.str.strip().value_counts()
        found = infer_format(list(map(str, of_text.index)), of_text.to_numpy(dtype=np.int64))
        form = found.format if isinstance(found, Numbers) else None
    read = _plain(texts) if form is None else form.parse(texts.str.strip().tolist())
    missing = np.array([is_missing(text) for text in texts[np.isnan(read)]], dtype=bool)
    return _Numbers(read[~np.isnan(read)], form) if missing.all() and len(missing) < len(read) else None


def _plain(texts: pd.Series[Any]) -> NDArray[np.float64]:
    read = pd.to_numeric(texts.str.replace(r"[,$€£¥%\s]", "", regex=True), errors="coerce")
    return read.to_numpy(dtype=np.float64, na_value=np.nan)


def _sums(
    frame: pd.DataFrame,
    position: int,
    cells: Sequence[str],
    numbers: Sequence[_Numbers | None],
    *,
    exactly: bool,
    every: bool = False,
) -> bool:
    """Tells whether a row has the sums or means of columns above it.

    Args:
        frame: the table.
        position: of the row.
        cells: of the row, as texts.
        numbers: those of each column above it; None for a column of words.
        exactly: whether every number has to be the sum of its column, and no other cell may be filled; in two columns,
            if the first cell of the row is filled.
        every: whether every number has to be a sum or a mean.
    """
    matches, others = 0, 0
    for column, above in enumerate(numbers):
        if not cells[column]:
            continue
        if above is None:
            others += exactly
            continue
        own = above.read(cells[column])
        if np.isnan(own):
            continue
        near = 1e-9 if exactly else 5e-3
        summed = bool(np.isclose(own, above.values.sum(), rtol=near, atol=0)) and above.values.any()
        averaged = not exactly and bool(np.isclose(own, above.values.mean(), rtol=near, atol=0))
        matches += bool(summed or averaged)
        others += (exactly and not summed) or (every and not (summed or averaged))
    return matches > (exactly and bool(cells[0])) and others == 0
