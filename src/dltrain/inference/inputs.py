"""Reads new samples for a trained model part by part: a table, an image, a folder, a list of paths, standard input."""

from __future__ import annotations

import gzip
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast, runtime_checkable

import pandas as pd

from dltrain.data.cells import name_list, nearest
from dltrain.data.class_folders import FolderFiles
from dltrain.data.csv_reader import read_text
from dltrain.data.fasttext import read_fasttext
from dltrain.data.json_lines import stream_json_lines
from dltrain.data.parquet import stream_parquet
from dltrain.data.streams import HEAD, Rejoined, read_head, stream_csv
from dltrain.data.table_files import JSON_LINES, START, content_of, read_file
from dltrain.data.table_format import AUTO, NONE, TableFormat
from dltrain.errors import DataError
from dltrain.kinds.image.pixels import SUFFIXES
from dltrain.types import Encoder

if TYPE_CHECKING:
    from dltrain.types import Raw

ROWS, FILES = 4096, 256  # per part
WHOLE = 1 << 26  # bytes up to which a file is read at once, as in training
STANDARD_INPUT = "-"
PATH_NAMES = ("path", "file", "filename", "image", "picture", "photo", "img", "document", "文件", "路径", "图片")


@dataclass(frozen=True)
class Input:
    """New samples, part by part.

    Args:
        parts: up to a few thousand rows or a few hundred files each.
        total: the size of the input, in `unit`s; `None` if it is not known before the end.
        unit: bytes or files.
        passed: returns how much has been read, in `unit`s.
        close: closes the file.
    """

    parts: Iterator[Raw]
    total: int | None = None
    unit: str = "B"
    passed: Callable[[], int] = int
    close: Callable[[], None] = lambda: None


@runtime_checkable
class ReadsNumbers(Protocol):
    """An encoder that may read numbers as they are written, with the marks and units of the training file."""

    as_written: bool


@runtime_checkable
class ReadsHeaders(Protocol):
    """An encoder that knows whether the training table named its columns."""

    has_header: bool


def open_input(source: str, encoder: Encoder, form: TableFormat | None = None) -> Input:
    """Opens a file, a folder or standard input (`-`) for a model's encoder.

    Raises:
        DataError: the file does not exist, or the model takes other samples; while reading: it is damaged or empty.
    """
    as_written = isinstance(encoder, ReadsNumbers) and encoder.as_written
    form = replace(form or TableFormat(), points=not as_written)
    if form.header == AUTO and isinstance(encoder, ReadsHeaders) and not encoder.has_header:
        form = replace(form, header=NONE)
    if source == STANDARD_INPUT:
        return _open_standard_input(encoder, form)
    path = Path(source).expanduser()
    if path.is_dir():
        return _open_folder(path, encoder)
    if not path.is_file():
        raise _absent(path)
    kind = path.suffix.lower()
    with path.open("rb") as start:
        content = content_of(start.read(START), path)
    if kind in encoder.suffixes and not (content == "fasttext" and encoder.takes_rows):
        return _files([path])
    if kind in SUFFIXES:
        raise DataError(
            f"{path} is an image, and the model was trained on other data",
            fix="give a table" if encoder.takes_rows else f"give files that end in {name_list(encoder.suffixes)}",
        )
    size = path.stat().st_size
    if content == "parquet":
        return Input(_for(encoder, stream_parquet(path, ROWS), path.parent))
    lists_files = not encoder.takes_rows and content == "text"
    if content in ("excel", "zip", "fasttext") or (size <= WHOLE and not lists_files):
        return Input(_for(encoder, _read_at_once(path, form), path.parent), size, passed=lambda: size)
    file = cast(BinaryIO, gzip.open(path) if content == "gzip" else path.open("rb"))  # noqa: SIM115
    opened = _open_text(Rejoined(read_head(file), file), str(path), encoder, form, path.parent)
    return replace(opened, total=None if content == "gzip" else size, close=file.close)


def _read_at_once(path: Path, form: TableFormat) -> Iterator[pd.DataFrame]:
    frame, _ = read_file(str(path), form)
    yield from _in_parts(frame, ROWS)


def _open_standard_input(encoder: Encoder, form: TableFormat) -> Input:
    head = read_head(sys.stdin.buffer)
    if not head:
        raise DataError("standard input is empty", fix="pipe a table into it, or give a file")
    if b"\0" in head[:1024] and head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        if not encoder.suffixes:
            raise DataError("standard input is not a text, and the model takes a table", fix="pipe CSV or JSON lines")
        return Input(_as_file(head))
    return _open_text(Rejoined(head, sys.stdin.buffer), "standard input", encoder, form, Path())


class _StandardInput(PathLike[str]):
    """The path of a file with the content of standard input, which is printed as `standard input`."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return "standard input"


def _as_file(head: bytes) -> Iterator[Raw]:
    """Yields standard input as a temporary file, because decoders need a file; deletes it afterwards."""
    with tempfile.NamedTemporaryFile(prefix="dltrain-") as file:
        file.write(head + sys.stdin.buffer.read())
        file.flush()
        yield [_StandardInput(file.name)]


def _open_text(source: Rejoined, name: str, encoder: Encoder, form: TableFormat, folder: Path) -> Input:
    frames: Iterator[pd.DataFrame]
    content = content_of(source.head, None)
    if content == "json" or Path(name).suffix.lower() in JSON_LINES:
        frames = stream_json_lines(source, name, ROWS)
    elif content == "fasttext":
        frames = _in_parts(read_fasttext(source.read(), name, form.encoding)[0], ROWS)
    else:
        if not encoder.takes_rows and _begins_with_a_path(source.head, folder):
            form = replace(form, header="none")
        whole = len(source.head) < HEAD
        frames = _read_head(source, name, form) if whole else stream_csv(source, name, form, ROWS)
    return Input(_for(encoder, frames, folder), passed=lambda: source.passed)


def _read_head(source: Rejoined, name: str, form: TableFormat) -> Iterator[pd.DataFrame]:
    frame, _ = read_text(source.head, name, form)
    source.passed = len(source.head)
    yield from _in_parts(frame, ROWS)


def _open_folder(folder: Path, encoder: Encoder) -> Input:
    inside = sorted(path for path in folder.rglob("*") if path.is_file())
    if not encoder.suffixes:
        tables = [path.name for path in inside if path.suffix.lower() in (".csv", ".parquet", ".xlsx", ".jsonl")]
        raise DataError(
            f"{folder} is a folder, and the model takes a table",
            fix=f"give one of its files: {name_list(tables, 8)}" if tables else "give a file",
        )
    files = [
        path
        for path in inside
        if path.suffix.lower() in encoder.suffixes
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not files:
        raise DataError(
            f"{folder} contains no file that ends in {name_list(sorted(encoder.suffixes))}", fix="give another folder"
        )
    return _files(files, folder)


def _files(files: Sequence[Path], folder: Path | None = None) -> Input:
    passed = 0

    def parts() -> Iterator[Raw]:
        nonlocal passed
        for start in range(0, len(files), FILES):
            part = [str(path) for path in files[start : start + FILES]]
            yield part if folder is None else FolderFiles(part, folder)
            passed = min(start + FILES, len(files))

    return Input(parts(), len(files), " files", lambda: passed)


def _for(encoder: Encoder, frames: Iterator[pd.DataFrame], folder: Path) -> Iterator[Raw]:
    """Yields the frames as the encoder takes them: a few rows at a time, all at once, or the files that they name."""
    if encoder.takes_rows and encoder.apart:
        yield from frames
    elif encoder.takes_rows:
        yield pd.concat(list(frames))
    else:
        for frame in frames:
            files = _named_files(frame, folder)
            yield from (files[start : start + FILES] for start in range(0, len(files), FILES))


def _named_files(frame: pd.DataFrame, folder: Path) -> list[str]:
    """Returns the files that a table lists, relative to its own folder or to the working directory."""
    names = [str(name) for name in frame.columns]
    lowered = [name.casefold() for name in names]
    column = next((names[lowered.index(usual)] for usual in PATH_NAMES if usual in lowered), names[0])
    cells = frame.set_axis(names, axis="columns")[column]
    if cells.isna().any():
        row = int(cells.isna().argmax())
        raise DataError("an empty cell instead of a path", where=f"row {cells.index[row] + 2}, column {column!r}")
    written = [str(cell) for cell in cells]
    if not (folder / written[0]).exists() and not Path(written[0]).exists():
        raise DataError(
            f"column {column!r} contains {written[0]}, which is not a file: the model was trained on files",
            fix=f"give a folder, a file, or a table with a column of paths, called one of {name_list(PATH_NAMES[:5])}",
        )
    return [str(folder / name) if (folder / name).exists() else name for name in written]


def _begins_with_a_path(head: bytes, folder: Path) -> bool:
    """Tells whether the first line is the path of a file, so that there is no header."""
    first = head.split(b"\n", 1)[0].decode("utf-8", "ignore").strip()
    try:
        return bool(first) and ((folder / first).is_file() or Path(first).is_file())
    except OSError:
        return False


def _in_parts(frame: pd.DataFrame, rows: int) -> Iterator[pd.DataFrame]:
    for start in range(0, len(frame), rows):
        yield frame.iloc[start : start + rows]


def _absent(path: Path) -> DataError:
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(path.name, beside)
    return DataError(
        f"there is no file {path}",
        fix=f"did you mean {path.parent / close[0]}?" if close else "give a file, a folder, or - for standard input",
        override=str(path.parent / close[0]) if close else "",
        replaces=str(path),
    )
