"""The cells of a table of series, as the readers of times and values take them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from dltrain.data.cells import Cells, read_cells

POINTED = re.compile(r"\d{1,8}\.0")


def with_plain_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns a table without last rows that are empty, whose typed dates without a time of day are texts without one,
    and in which a point alone, as statistical offices write it, is a missing value."""
    if _ends_empty(frame):
        filled = np.flatnonzero((frame.notna() & (frame != "")).any(axis=1).to_numpy())
        frame = frame.iloc[: filled[-1] + 1] if len(filled) else frame
    dated = [
        name
        for name in frame.columns
        if pd.api.types.is_datetime64_dtype(frame[name].dtype)
        and (frame[name].dropna().dt.normalize() == frame[name].dropna()).all()
    ]
    plain = {name: frame[name].dt.strftime("%Y-%m-%d") for name in dated}
    texts = [name for name in frame.columns if name not in dated and not pd.api.types.is_numeric_dtype(frame[name])]
    points = [name for name in texts if (frame[name] == ".").any()]
    plain |= {name: frame[name].mask(frame[name] == ".") for name in points}
    return frame.assign(**plain) if plain else frame


def _ends_empty(frame: pd.DataFrame) -> bool:
    return bool(len(frame)) and all(pd.isna(cell) or cell == "" for cell in frame.iloc[-1])


def read_times(column: pd.Series[Any]) -> Cells:
    """Returns the cells of a column of times as they are written, because 1980.10 is not 1980.1; whole numbers that a
    program has written with a point are whole."""
    cells = read_cells(column, as_written=True)
    pointed = all(POINTED.fullmatch(text) for text in cells.values)
    return read_cells(column) if pointed else cells


def read_all(frame: pd.DataFrame) -> dict[str, Cells]:
    """Returns the cells of all columns."""
    return {str(name): read_cells(frame[name]) for name in frame.columns}
