"""Reads Excel workbooks and Parquet files, each by a package that is an optional extra."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from dltrain.data.csv_reader import Header, name_columns
from dltrain.errors import DataError, require


def read_excel(file: Path, header: Header = "auto") -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Reads the first sheet of an .xlsx workbook, without its empty rows.

    Returns:
        A frame of at least one row, and notes on what was guessed.

    Raises:
        DataError: openpyxl is not installed, or this is not a workbook, or the sheet has no rows.
    """
    _require("openpyxl", "excel", file)
    try:
        with warnings.catch_warnings(), pd.ExcelFile(file, engine="openpyxl") as book:
            warnings.simplefilter("ignore")  # about styles and validations, which change no cell's value
            sheets = [str(name) for name in book.sheet_names]
            cells = book.parse(sheets[0], header=None, dtype=object, keep_default_na=False, na_values=[""])
    except Exception as error:  # openpyxl also raises errors of zipfile and of its XML parser
        raise DataError(
            f"{file} cannot be read as a workbook: {error}", where="data.path", fix="save it again as .xlsx or as CSV"
        ) from None
    notes = [f"read the sheet {sheets[0]!r}, the first of {len(sheets)}"] if len(sheets) > 1 else []
    cells = cells.dropna(how="all").dropna(how="all", axis="columns").reset_index(drop=True)
    names: list[str] = []
    if not cells.empty:
        first = ["" if pd.isna(cell) else str(cell) for cell in cells.iloc[0]]
        names, is_data, header_notes = name_columns(first, header, str(file))
        notes += header_notes
        cells = cells if is_data else cells.iloc[1:].reset_index(drop=True)
    if cells.empty:
        raise DataError(f"{file} contains no rows", where="data.path", fix="give a file with a header line and rows")
    return cells.set_axis(names, axis="columns").infer_objects(), tuple(notes)


def read_parquet(file: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Reads a Parquet file.

    Returns:
        A frame of at least one row, and no notes.

    Raises:
        DataError: pyarrow is not installed, or this is not a Parquet file, or a column holds lists or records.
    """
    _require("pyarrow", "parquet", file)
    try:
        frame = pd.read_parquet(file, engine="pyarrow")
    except Exception as error:  # errors of pyarrow and of the file system
        raise DataError(
            f"{file} cannot be read as Parquet: {error}", where="data.path", fix="write it again, or save it as CSV"
        ) from None
    if frame.empty:
        raise DataError(f"{file} contains no rows", where="data.path", fix="give a file with rows")
    for name in frame.columns:
        if frame[name].dtype == object and not frame[name].map(pd.api.types.is_hashable).all():
            raise DataError(
                f"the cells of column {name!r} are lists or records",
                where="data.path",
                fix="write plain columns of numbers and text",
            )
    return frame.reset_index(drop=isinstance(frame.index, pd.RangeIndex)), ()


def _require(package: str, extra: str, file: Path) -> None:
    fix = f"pip install 'dltrain[{extra}]' (or pip install {package}), or save the file as CSV"
    require(package, extra, f"reads {file.suffix} files", DataError, where="data.path", fix=fix)
