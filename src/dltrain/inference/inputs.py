"""Reads new samples for a trained model part by part: a table, an image, a folder, a list of paths, standard input."""

from __future__ import annotations

import gzip
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from glob import glob, has_magic
from itertools import groupby
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast, runtime_checkable

import pandas as pd
from numpy.typing import NDArray

from dltrain.data.archives import is_archive, unpack
from dltrain.data.cells import name_list, nearest
from dltrain.data.csv_reader import read_text
from dltrain.data.fasttext import read_fasttext
from dltrain.data.folder_tree import FileType, read_tree
from dltrain.data.json_lines import stream_json_lines
from dltrain.data.parquet import stream_parquet
from dltrain.data.sample_files import FolderFiles, SampleFolder
from dltrain.data.streams import HEAD, Rejoined, read_head, stream_csv
from dltrain.data.table_files import JSON_LINES, START, content_of, read_file
from dltrain.data.table_format import AUTO, NONE, TableFormat
from dltrain.data.text_encoding import decode
from dltrain.errors import DataError
from dltrain.inference.file_column import FileColumn
from dltrain.kinds.image.files import SUFFIXES
from dltrain.types import Encoder, Layout

if TYPE_CHECKING:
    from dltrain.types import Raw

ROWS, FILES = 4096, 256  # per part
TABLES = frozenset([".csv", ".tsv", ".json", ".jsonl", ".ndjson"])  # suffixes of texts that hold tables
WHOLE = 1 << 26  # bytes up to which a file is read at once, as in training
STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Input:
    """New samples, part by part.

    Args:
        parts: up to a few thousand rows or a few hundred files each.
        total: the size of the input, in `unit`s; `None` if it is not known before the end.
        unit: bytes or files.
        passed: returns how much has been read, in `unit`s.
        close: closes the file.
        notes: what was ignored.
    """

    parts: Iterator[Raw]
    total: int | None = None
    unit: str = "B"
    passed: Callable[[], int] = int
    close: Callable[[], None] = lambda: None
    notes: Sequence[str] = ()


@runtime_checkable
class RecognisesFiles(Protocol):
    """An encoder that knows its files by their content, where they have no suffix."""

    def recognises(self, path: Path) -> bool: ...


@runtime_checkable
class ReadsArrays(Protocol):
    """An encoder that takes samples in a file of arrays, such as .npz."""

    def read_arrays(self, path: Path) -> tuple[NDArray[Any], str] | None: ...


@runtime_checkable
class LimitsFiles(Protocol):
    """An encoder that says how many files it encodes together, since their inputs are large."""

    @property
    def at_once(self) -> int: ...


@runtime_checkable
class ReadsTables(Protocol):
    """An encoder whose kind of data has tables in a form of its own, such as lines of users below their item."""

    def read_table(self, path: Path) -> pd.DataFrame | None: ...


@runtime_checkable
class ReadsNumbers(Protocol):
    """An encoder that may read numbers as they are written, with the marks and units of the training file."""

    as_written: bool


@runtime_checkable
class NamesFiles(Protocol):
    """An encoder that knows which column of a table names the files, and which columns do not."""

    @property
    def file_column(self) -> str | None: ...

    @property
    def other_columns(self) -> frozenset[str]: ...


@runtime_checkable
class ReadsHeaders(Protocol):
    """An encoder that knows whether the training table named its columns."""

    has_header: bool


@runtime_checkable
class ReadsLines(Protocol):
    """An encoder that takes each line of a text as a sample, if its first line is one and not that of a table."""

    def is_sample(self, line: str) -> bool: ...


@runtime_checkable
class KnowsLayouts(Protocol):
    """An encoder that knows whether a file with one of its suffixes holds one sample, one in each line, or a table."""

    def layout(self, path: Path) -> Layout: ...


def open_inputs(
    sources: Sequence[str], encoder: Encoder, form: TableFormat | None = None, labels: str | None = None
) -> Input:
    """Opens one or several files, folders or patterns such as `photos/*.jpg` for a model's encoder.

    Args:
        sources: paths, patterns, or `-` for standard input.
        encoder: the model's.
        form: how to read tables.
        labels: a table that names files below a folder, the only source.

    Raises:
        DataError: one does not exist, or there are several where the model takes a table.
    """
    if labels is not None:
        return _open_labels(Path(labels).expanduser(), Path(sources[0]).expanduser(), encoder, form)
    paths = [path for source in sources for path in _matching(source)]
    if len(paths) == 1:
        return open_input(paths[0], encoder, form)
    if not encoder.suffixes:
        raise DataError(
            f"there are {len(paths)} files, and the model takes a table", fix=f"give one of {name_list(paths, 5)}"
        )
    single = [Path(path) for path in paths if not Path(path).is_dir()]
    if tables := [str(path) for path in single if not _holds_a_sample(path, encoder)]:
        raise DataError(f"{tables[0]} is no such file as the model takes", fix="give it alone if it is a table")
    layouts = {encoder.layout(path) for path in single} if isinstance(encoder, KnowsLayouts) else set()
    if "lines" in layouts and "table" not in layouts and len(single) == len(paths):
        note = f"each line of {name_list(paths, 5)} is a text, as in training; a folder of files has one text a file"
        return Input(_full_lines(single, _as_trained(encoder, form).encoding), notes=(note,))
    opened = list[Input]()
    for is_folder, some in groupby(map(Path, paths), key=Path.is_dir):  # in the order that was asked for
        together = list(some)
        opened += [_open_folder(path, encoder) for path in together] if is_folder else [_files(together, encoder)]
    total = sum(one.total or 0 for one in opened)
    notes = [note for one in opened for note in one.notes]
    parts = (part for one in opened for part in one.parts)
    return Input(parts, total, " files", lambda: sum(one.passed() for one in opened), notes=notes)


def open_input(source: str, encoder: Encoder, form: TableFormat | None = None) -> Input:
    """Opens a file, a folder or standard input (`-`) for a model's encoder.

    Raises:
        DataError: the file does not exist, or the model takes other samples; while reading: it is damaged or empty.
    """
    form = _as_trained(encoder, form)
    if source == STANDARD_INPUT:
        return _open_standard_input(encoder, form)
    path = Path(source).expanduser()
    if path.is_dir():
        return _open_folder(path, encoder)
    if not path.is_file():
        raise _absent(path)
    with path.open("rb") as start:
        content = content_of(start.read(START), path)
    if _holds_a_sample(path, encoder) and not (content == "fasttext" and encoder.takes_rows):
        layout = encoder.layout(path) if isinstance(encoder, KnowsLayouts) else "sample"
        if layout == "sample":
            return _files([path], encoder)
        if layout == "lines":
            note = f"each line of {path} is a text, as in training; a folder of files has one text a file"
            return Input(_full_lines([path], form.encoding), notes=(note,))
    if isinstance(encoder, ReadsArrays) and (read := encoder.read_arrays(path)) is not None:
        array, note = read
        return Input(iter([array]), notes=(note,) if note else ())
    if isinstance(encoder, ReadsTables) and (frame := encoder.read_table(path)) is not None:
        return Input(_for(encoder, _in_parts(frame, ROWS), path.parent))
    if not encoder.takes_rows and is_archive(path):
        return _open_folder(unpack(path), encoder, str(path))
    if path.suffix.lower() in SUFFIXES:
        raise DataError(
            f"{path} is an image, and the model was trained on other data",
            fix="give a table" if encoder.takes_rows else f"give files that end in {name_list(encoder.suffixes)}",
        )
    return _open_table(path, encoder, form, path.parent)


def _as_trained(encoder: Encoder, form: TableFormat | None) -> TableFormat:
    as_written = isinstance(encoder, ReadsNumbers) and encoder.as_written
    form = replace(form or TableFormat(), points=not as_written)
    if form.header == AUTO and isinstance(encoder, ReadsHeaders) and not encoder.has_header:
        form = replace(form, header=NONE)
    return form


def _matching(source: str) -> list[str]:
    """Returns the files that a pattern matches, or the source itself if it is none."""
    if source == STANDARD_INPUT or Path(source).expanduser().exists() or not has_magic(source):
        return [source]
    matching = sorted(glob(str(Path(source).expanduser()), recursive=True))  # noqa: PTH207 - a pattern may be absolute
    if not matching:
        raise DataError(f"no file matches {source}", fix="give a file, a folder, or another pattern")
    return matching


def _open_labels(labels: Path, folder: Path, encoder: Encoder, form: TableFormat | None) -> Input:
    """Opens a table that names files below a folder.

    Raises:
        DataError: there is no such table or folder, or the model takes rows.
    """
    if not folder.is_dir() or encoder.takes_rows:
        what = "the model takes a table" if encoder.takes_rows else f"{folder} is no folder"
        raise DataError(f"data.labels names files of a folder, and {what}", where="data.labels", fix="leave it out")
    path = folder / labels if not labels.exists() and (folder / labels).is_file() else labels
    if not path.is_file():
        raise _absent(path)
    return _open_table(path, encoder, _as_trained(encoder, form), folder)


def _open_table(path: Path, encoder: Encoder, form: TableFormat, folder: Path) -> Input:
    """Opens a table of samples, or of files below a folder."""
    with path.open("rb") as start:
        content = content_of(start.read(START), path)
    size = path.stat().st_size
    if content == "parquet":
        return Input(_for(encoder, stream_parquet(path, ROWS), folder))
    lists_files = not encoder.takes_rows and content == "text"
    holds_lines = content == "text" and isinstance(encoder, ReadsLines) and path.suffix.lower() not in TABLES
    if content in ("excel", "zip", "fasttext", "tsf") or (size <= WHOLE and not lists_files and not holds_lines):
        return Input(_for(encoder, _read_at_once(path, form), folder), size, passed=lambda: size)
    file = cast(BinaryIO, gzip.open(path) if content == "gzip" else path.open("rb"))  # noqa: SIM115
    opened = _open_text(Rejoined(read_head(file), file), str(path), encoder, form, folder)
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
    if content == "text" and isinstance(encoder, ReadsLines) and _holds_lines(source.head, name, encoder):
        return Input(_lines(source.read(), name, form.encoding), passed=lambda: source.passed)
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


def _holds_lines(head: bytes, name: str, encoder: ReadsLines) -> bool:
    """Tells whether a text holds a sample a line: it is no table by its name, nor by its first line."""
    first = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    return Path(name).suffix.lower() not in TABLES and encoder.is_sample(first)


def _lines(data: bytes, name: str, encoding: str) -> Iterator[Raw]:
    """Yields the lines of a text in frames of one column; blank ones are empty samples."""
    text, _ = decode(data, name, encoding)
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").removesuffix("\n").split("\n")
    yield from _in_parts(pd.DataFrame({"line": lines}, dtype=object), ROWS)


def _full_lines(paths: Sequence[Path], encoding: str) -> Iterator[Raw]:
    """Yields the lines of files in frames of one column, numbered through, without blank ones."""
    count = 0
    for path in paths:
        for part in _lines(path.read_bytes(), str(path), encoding):
            frame = cast(pd.DataFrame, part)
            full = frame[frame["line"].str.strip() != ""]
            yield full.set_axis(range(count, count + len(full)))
            count += len(full)


def _read_head(source: Rejoined, name: str, form: TableFormat) -> Iterator[pd.DataFrame]:
    frame, _ = read_text(source.head, name, form)
    source.passed = len(source.head)
    yield from _in_parts(frame, ROWS)


def _open_folder(folder: Path, encoder: Encoder, name: str = "") -> Input:
    if not encoder.suffixes:
        inside = sorted(path for path in folder.rglob("*") if path.is_file())
        tables = [path.name for path in inside if path.suffix.lower() in (".csv", ".parquet", ".xlsx", ".jsonl")]
        raise DataError(
            f"{folder} is a folder, and the model takes a table",
            fix=f"give one of its files: {name_list(tables, 8)}" if tables else "give a file",
        )
    tree = read_tree(folder, _wanted(encoder))
    files = tree.root.samples
    if not files:
        raise DataError(
            f"{folder} contains no file that ends in {name_list(sorted(encoder.suffixes))}", fix="give another folder"
        )
    return replace(_files(files, encoder, SampleFolder(folder, name)), notes=tuple(tree.notes()))


def _wanted(encoder: Encoder) -> FileType:
    """Returns the files that an encoder takes."""
    recognises = encoder.recognises if isinstance(encoder, RecognisesFiles) else None
    return FileType("samples", encoder.suffixes, "a folder", recognises)


def _holds_a_sample(path: Path, encoder: Encoder) -> bool:
    return _wanted(encoder).holds(path)


def _files(files: Sequence[Path], encoder: Encoder, origin: SampleFolder | None = None) -> Input:
    passed, size = 0, _at_once(encoder)

    def parts() -> Iterator[Raw]:
        nonlocal passed
        for start in range(0, len(files), size):
            part = [str(path) for path in files[start : start + size]]
            yield part if origin is None else FolderFiles(part, origin)
            passed = min(start + size, len(files))

    return Input(parts(), len(files), " files", lambda: passed)


def _at_once(encoder: Encoder) -> int:
    """Returns how many files a part has."""
    return min(FILES, encoder.at_once) if isinstance(encoder, LimitsFiles) else FILES


def _for(encoder: Encoder, frames: Iterator[pd.DataFrame], folder: Path) -> Iterator[Raw]:
    """Yields the frames as the encoder takes them: a few rows at a time, all at once, or the files that they name."""
    if encoder.takes_rows and encoder.apart:
        yield from frames
    elif encoder.takes_rows:
        yield pd.concat(list(frames))
    else:
        known, others = (encoder.file_column, encoder.other_columns) if isinstance(encoder, NamesFiles) else (None, ())
        column = FileColumn(folder, _wanted(encoder), known, others)
        for frame in frames:
            named = frame.set_axis([str(name) for name in frame.columns], axis="columns")
            yield from (column.files(part) for part in _in_parts(named, _at_once(encoder)))


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
