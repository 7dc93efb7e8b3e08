"""Reads a table from a file, in the format that its suffix names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dltrain.data.csv_reader import Header, check_file, read_csv
from dltrain.data.excel import read_excel, read_parquet


def read_table(
    path: str, encoding: str = "auto", delimiter: str = "auto", header: Header = "auto"
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Reads .xlsx and .parquet files as what they are, and anything else as CSV.

    Returns:
        A frame with named columns and at least one row, and notes on what was guessed.

    Raises:
        DataError: it cannot be read, or the package that reads such files is not installed.
    """
    kind = Path(path).suffix.lower()
    if kind == ".xlsx":
        return read_excel(check_file(Path(path).expanduser()), header)
    if kind in (".parquet", ".pq"):
        return read_parquet(check_file(Path(path).expanduser()))
    return read_csv(path, encoding, delimiter, header)
