"""Reads Excel workbooks, by a package that is an optional extra."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dltrain.data.cells import name_list, nearest, shorten
from dltrain.data.merged_cells import fill_merged, merged_cells
from dltrain.data.table_end import leave_out_end
from dltrain.data.table_format import TableFormat
from dltrain.data.table_header import name_columns, note_units
from dltrain.data.table_start import COUNT, find_begin
from dltrain.errors import DataError, require


def read_excel(file: Path, form: TableFormat | None = None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Reads the sheet of an .xlsx workbook that holds a table, without its empty rows.

    Returns:
        A frame of at least one row, and notes on what was guessed.

    Raises:
        DataError: openpyxl is not installed, or this is not a workbook, or no sheet or several hold a table.
    """
    form = form or TableFormat()
    fix = "pip install 'dltrain[excel]' (or pip install openpyxl), or save the file as CSV"
    require("openpyxl", "excel", "reads .xlsx files", DataError, where="data.path", fix=fix)
    try:
        with warnings.catch_warnings(), pd.ExcelFile(file, engine="openpyxl") as book:
            warnings.simplefilter("ignore")  # about styles and validations, which change no cell's value
            names = [str(name) for name in book.sheet_names]
            wanted = names if form.sheet is None else [_find_sheet(form.sheet, names)]
            skip = form.skip if isinstance(form.skip, int) else 0
            options: dict[str, Any] = {"header": None, "dtype": object, "keep_default_na": False, "na_values": [""]}
            merged = merged_cells(file)
            sheets = {}
            for name in wanted:
                cells = fill_merged(book.parse(name, skiprows=skip, **options), merged.get(name, ()), skip)
                sheets[name] = _without_empty(cells)
    except DataError:
        raise
    except Exception as error:  # openpyxl also raises errors of zipfile and of its XML parser
        raise DataError(
            f"{file} cannot be read as a workbook: {error}", where="data.path", fix="save it again as .xlsx or as CSV"
        ) from None
    name, notes = _choose_sheet(sheets, file)
    if len(names) > 1 and form.sheet is None:
        notes.append(f"read the sheet {name!r}, the only one of {len(names)} with a table")
    return _read_sheet(sheets[name], form, str(file), notes)


def _find_sheet(sheet: str | int, names: list[str]) -> str:
    """Returns the name of the sheet that the user names or counts from 1."""
    if str(sheet) in names:
        return str(sheet)
    if str(sheet).isdecimal() and 1 <= int(sheet) <= len(names):
        return names[int(sheet) - 1]
    raise DataError(
        f"the workbook has no sheet {str(sheet)!r}",
        where="data.sheet",
        fix=f"its sheets are {name_list(names)}; a number counts from 1",
        override=f"data.sheet={_quoted((nearest(str(sheet), names) or names)[0])}",
    )


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"'{name}'"


def _without_empty(cells: pd.DataFrame) -> pd.DataFrame:
    """Returns a sheet's cells without empty columns and without empty rows above and below."""
    filled = cells.notna().any(axis="columns")
    if not filled.any():
        return cells.iloc[:0]
    rows = cells.loc[filled.idxmax() : filled[::-1].idxmax()]
    return rows.dropna(how="all", axis="columns").reset_index(drop=True)


def _choose_sheet(sheets: Mapping[str, pd.DataFrame], file: Path) -> tuple[str, list[str]]:
    """Returns the name of the only sheet with a table, and no notes yet.

    Raises:
        DataError: several have one.
    """
    if len(sheets) == 1:
        return next(iter(sheets)), []
    tables = [name for name, cells in sheets.items() if len(cells) > 1 and cells.shape[1] > 1 and _is_table(cells)]
    tables = tables or [name for name, cells in sheets.items() if len(cells) > 1] or list(sheets)[:1]
    if len(tables) > 1:
        raise DataError(
            f"{len(tables)} sheets of {file} hold a table",
            where="data.sheet",
            fix=f"choose one of {name_list(tables)}",
            override=f"data.sheet={_quoted(tables[0])}",
        )
    return tables[0], []


def _is_table(cells: pd.DataFrame) -> bool:
    """Tells whether most rows have more than one cell."""
    return bool((cells.notna().sum(axis="columns") > 1).mean() > 0.5)


def _read_sheet(
    cells: pd.DataFrame, form: TableFormat, path: str, notes: list[str]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Returns a sheet's table, without titles above it, units below its header, and totals."""
    texts = [["" if pd.isna(cell) else str(cell) for cell in row] for row in cells.head(COUNT).to_numpy().tolist()]
    begin = 0 if isinstance(form.skip, int) or not texts else find_begin(texts)[0]
    if begin:
        title = next(cell for row in texts for cell in row if cell)
        notes.append(f"the table begins below {shorten(title)}, which is left out (data.skip=0 reads it too)")
        cells = cells.iloc[begin:].dropna(how="all", axis="columns")
        texts = [["" if pd.isna(cell) else str(cell) for cell in row] for row in cells.head(COUNT).to_numpy().tolist()]
    names: list[str] = []
    if texts:
        names, is_data, header_notes = name_columns(texts[0], texts[1:], form.header, path)
        notes += header_notes
        units = "" if is_data or len(texts) < 3 else note_units(texts[0], texts[1:], "the row below the header")
        notes += [units] * bool(units)
        cells = cells.iloc[(0 if is_data else 1) + bool(units) :]
    frame, end_notes = leave_out_end(cells.reset_index(drop=True).set_axis(names, axis="columns"))
    frame = frame.dropna(how="all").reset_index(drop=True)
    if frame.empty:
        raise DataError(f"{path} contains no rows", where="data.path", fix="give a file with a header line and rows")
    return frame.infer_objects(), (*notes, *end_notes)
