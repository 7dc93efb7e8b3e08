"""Reads a table from a file, in the format that its content shows."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from dltrain.data.cells import name_list
from dltrain.data.csv_reader import read_text
from dltrain.data.excel import read_excel
from dltrain.data.fasttext import is_fasttext, read_fasttext
from dltrain.data.files import check_file, read_bytes
from dltrain.data.json_lines import is_json, read_json
from dltrain.data.parquet import read_parquet
from dltrain.data.table_format import AUTO, Header, TableFormat
from dltrain.data.tsf import is_tsf, read_tsf
from dltrain.errors import DataError

Content = Literal["excel", "parquet", "json", "gzip", "zip", "fasttext", "tsf", "text"]
START = 1 << 12  # bytes by which the content is told
JSON_LINES = (".jsonl", ".ndjson", ".json")


def read_table(
    path: str, encoding: str = AUTO, delimiter: str = AUTO, header: Header = AUTO, **form: Any
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Reads Excel, Parquet, JSON, fastText and CSV, by what a file holds rather than its suffix, compressed or not.

    Decimal commas in a CSV file whose fields are not separated by commas become points.

    Args:
        path: of the file.
        encoding: as in `TableFormat`.
        delimiter: likewise.
        header: likewise.
        form: the other keys of `TableFormat`.

    Returns:
        A frame with named columns and at least one row, and notes on what was guessed.

    Raises:
        DataError: it cannot be read, or the package that reads such files is not installed.
    """
    return read_file(path, TableFormat(encoding, delimiter, header, points=True, **form))


def read_file(path: str, form: TableFormat) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Reads a table in a format, as `read_table` does.

    Raises:
        DataError: as `read_table` does.
    """
    file = check_file(Path(path).expanduser())
    with file.open("rb") as opened:
        content = content_of(opened.read(START), file)
    notes: tuple[str, ...] = ()
    data = b""
    if content in ("gzip", "zip"):
        data, notes = unpack(file, content)
        content = content_of(data[:START], None)
    elif content in ("json", "fasttext", "tsf", "text"):
        data = read_bytes(file)
    if content == "excel":
        frame, more = read_excel(file, form)
    elif content == "parquet":
        frame, more = read_parquet(file)
    elif content == "json":
        frame, more = read_json(data, path)
    elif content == "fasttext":
        frame, more = read_fasttext(data, path, form.encoding)
    elif content == "tsf":
        frame, more = read_tsf(data, path, form.encoding)
    else:
        frame, more = read_text(data, path, form)
    usual = {"excel": (".xlsx", ".xlsm"), "parquet": (".parquet", ".pq")}.get(content)
    if usual and file.suffix.lower() not in usual:
        words = {"excel": "an Excel workbook", "parquet": "a Parquet file"}[content]
        notes = (*notes, f"{file.name} is {words}, and is read as one")
    return frame, (*notes, *more)


def content_of(head: bytes, file: Path | None) -> Content:
    """Returns what a file holds, by its first bytes and, where these do not tell, by its suffix.

    Raises:
        DataError: it is a workbook of before 2007.
    """
    suffix = "" if file is None else file.suffix.lower()
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(
            f"{file} is a workbook in the format of before 2007", where="data.path", fix="save it as .xlsx or as CSV"
        )
    if head.startswith(b"PK\x03\x04") and file is not None:
        return "excel" if suffix == ".xlsx" or _is_workbook(file) else "zip"
    if head.startswith(b"PAR1") or suffix in (".parquet", ".pq"):
        return "parquet"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if suffix in (".xlsx", ".xlsm"):
        return "excel"
    if is_fasttext(head):
        return "fasttext"
    if is_tsf(head):
        return "tsf"
    return "json" if suffix in JSON_LINES or is_json(head) else "text"


def _is_workbook(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as packed:
            return "xl/workbook.xml" in packed.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


def unpack(file: Path, content: Content) -> tuple[bytes, tuple[str, ...]]:
    """Returns the content of a gzip file, or of the only file in a zip file, and a note on the latter.

    Raises:
        DataError: it is damaged, or holds no file or several.
    """
    try:
        if content == "gzip":
            return gzip.decompress(file.read_bytes()), ()
        with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as packed:
            names = [
                info.filename
                for info in packed.infolist()
                if not info.is_dir() and not info.filename.startswith("__MACOSX/")
            ]
            tables = [name for name in names if name.lower().endswith((".csv", ".tsv", ".txt", ".data", *JSON_LINES))]
            chosen = tables if len(tables) == 1 else names
            if len(chosen) != 1:
                raise DataError(
                    f"{file} holds {len(names)} files",
                    where="data.path",
                    fix=f"unpack it, and give one of {name_list(names, 8)}" if names else "give a file with a table",
                )
            return packed.read(chosen[0]), (f"read {chosen[0]} in {file.name}",)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise DataError(f"{file} cannot be unpacked: {error}", where="data.path", fix="pack it again") from None
