"""Finds cells of a workbook that are merged over several rows, and fills each with their value."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pandas as pd

MERGED = re.compile(rb'<mergeCell [^>]*ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


class MergedCells(NamedTuple):
    """Rows of one column that a sheet shows as one cell, counted from 0; the last row is included."""

    column: int
    first: int
    last: int


def merged_cells(file: Path) -> Mapping[str, Sequence[MergedCells]]:
    """Returns the cells that are merged over several rows of one column, by the names of the sheets."""
    merged = {}
    with zipfile.ZipFile(file) as packed:
        for name, path in _paths(packed).items():
            ranges = [match.groups() for match in MERGED.finditer(packed.read(path))]
            merged[name] = [
                MergedCells(_number(left), int(top) - 1, int(bottom) - 1)
                for left, top, right, bottom in ranges
                if left == right and top != bottom
            ]
    return merged


def fill_merged(cells: pd.DataFrame, merged: Sequence[MergedCells], skip: int) -> pd.DataFrame:
    """Returns a sheet's cells, with the value of merged ones in each of their rows.

    Args:
        cells: of the sheet, from its first column on.
        merged: the merged cells of the whole sheet.
        skip: how many rows above the cells are left out.
    """
    filled = cells.copy() if merged else cells
    for column, first, last in merged:
        if column < cells.shape[1] and first >= skip:
            value: Any = cells.iloc[first - skip, column]
            filled.iloc[first - skip : last + 1 - skip, column] = value
    return filled


def _paths(packed: zipfile.ZipFile) -> dict[str, str]:
    """Returns the path of each sheet within a workbook, by its name."""
    names = set(packed.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
        return {}
    targets = {
        relation.get("Id"): str(relation.get("Target"))
        for relation in ElementTree.fromstring(packed.read("xl/_rels/workbook.xml.rels"))
    }
    sheets = ElementTree.fromstring(packed.read("xl/workbook.xml")).iter(f"{MAIN}sheet")
    paths = {
        str(sheet.get("name")): posixpath.join("/xl", targets.get(sheet.get(RELATION), "")).lstrip("/")
        for sheet in sheets
    }
    return {name: path for name, path in paths.items() if path in names}


def _number(letters: bytes) -> int:
    """Returns the number of a column, counted from 0, by its letters."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number - 1
