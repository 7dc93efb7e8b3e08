"""Text files: what stands in them, and in which encoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dltrain.data.cells import shorten
from dltrain.data.folder_tree import beginning_of
from dltrain.data.text_encoding import decode
from dltrain.errors import DataError

SUFFIXES = frozenset([".txt", ".text", ".md"])
LONGEST_PATH = 1000  # characters
BEGINNING = 1 << 10  # bytes by which a file without a suffix is known
PRINTED = bytes([*b"\t\n\f\r", *range(32, 127), *range(128, 256)])


def is_text(path: Path) -> bool:
    """Tells whether a file begins as a text does: with letters and line ends, and no other control characters."""
    head = beginning_of(path, BEGINNING)
    return bool(head.strip()) and not head.translate(None, PRINTED)


@dataclass(frozen=True)
class TextSamples:
    """Texts that somebody gives a model.

    Args:
        texts: what they say.
        names: the file that holds each, or its number, counted from 0.
        are_files: whether they were read from files.
    """

    texts: tuple[str, ...]
    names: tuple[str, ...]
    are_files: bool


def read_samples(samples: Sequence[object], suffixes: frozenset[str] | None = SUFFIXES) -> TextSamples:
    """Returns texts as they are, or what stands in the files that they name.

    Args:
        samples: texts, or paths of text files.
        suffixes: how the names of files end; none where a file may have any name.

    Raises:
        DataError: they are neither, or some are texts and some are files, or a file cannot be read.
    """
    if files := named_files(samples, suffixes):
        return TextSamples(tuple(read_texts(files, "auto")[0]), tuple(map(str, samples)), True)
    return TextSamples(tuple(map(str, samples)), tuple(map(str, range(len(samples)))), False)


def named_files(samples: Sequence[object], suffixes: frozenset[str] | None = SUFFIXES) -> list[Path]:
    """Returns the files that samples name; none where they are texts.

    Raises:
        DataError: they are neither, or some are texts and some are files.
    """
    for sample in samples:
        if not isinstance(sample, str) and not hasattr(sample, "__fspath__"):
            raise DataError(
                f"a sample is of type {type(sample).__name__}, and the model was trained on texts",
                fix="give a list of texts, a table, or files",
            )
    are_files = [_names_file(sample, suffixes) for sample in samples]
    if any(are_files) and not all(are_files):
        file, text = samples[are_files.index(True)], samples[are_files.index(False)]
        raise DataError(f"{file} is a file, and {shorten(str(text))} is a text", fix="give files or texts, not both")
    return [Path(str(sample)) for sample in samples] if any(are_files) else []


def _names_file(sample: object, suffixes: frozenset[str] | None) -> bool:
    """Tells whether a sample names a file of text, and is no text itself."""
    if not isinstance(sample, str):
        return hasattr(sample, "__fspath__")
    if len(sample) > LONGEST_PATH or (suffixes is not None and Path(sample).suffix.lower() not in suffixes):
        return False
    try:
        return Path(sample).is_file()
    except (OSError, ValueError):
        return False


def read_texts(files: Sequence[Path], encoding: str) -> tuple[list[str], tuple[str, ...]]:
    """Returns what stands in files that are all of one encoding, and what was guessed about it.

    Raises:
        DataError: one cannot be read, or is no text in that encoding.
    """
    contents, notes = read_each(files, encoding)
    texts = []
    for text in contents:
        if isinstance(text, DataError):
            raise text
        texts.append(text)
    return texts, notes


def read_each(files: Sequence[Path], encoding: str) -> tuple[list[str | DataError], tuple[str, ...]]:
    """Returns what stands in each of the files, or why it cannot be read; and what was guessed about their encoding.

    Files that are not UTF-8 are judged together, as one alone may be too short to tell.
    """
    contents = [_read(file) for file in files]
    odd = {at: content for at, content in enumerate(contents) if isinstance(content, bytes) and not _is_plain(content)}
    chinese: tuple[str, ...] = ()
    if encoding == "auto" and len(odd) > 1:
        try:
            _, chinese = decode(b"\n".join(odd.values()), "", "auto")
        except DataError:  # so each is judged alone, and its own error names it
            chinese = ()
    texts: list[str | DataError] = []
    notes = dict.fromkeys(chinese)
    for at, (file, content) in enumerate(zip(files, contents, strict=True)):
        try:
            if isinstance(content, DataError):
                raise content
            text, guesses = decode(content, str(file), "gb18030" if chinese and at in odd else encoding)
            if "\0" in text:
                raise DataError(
                    "the file contains a zero byte, so it is not a text",
                    where=f"{file}, line {text[: text.index(chr(0))].count(chr(10)) + 1}",
                    fix="remove it, or leave the file out",
                )
            texts.append(text)
            notes |= dict.fromkeys(guesses)
        except DataError as error:
            texts.append(error)
    return texts, tuple(notes)


def _read(file: Path) -> bytes | DataError:
    try:
        return file.read_bytes()
    except OSError as error:
        return DataError(f"{file} cannot be read: {error.strerror}", where="data.path", fix="give readable files")


def _is_plain(content: bytes) -> bool:
    """Tells whether bytes are UTF-8, or begin with a mark of their encoding."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:4]:
        return True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
