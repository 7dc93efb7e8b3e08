"""Text files: what stands in them, and in which encoding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dltrain.data.text_encoding import decode
from dltrain.errors import DataError

SUFFIXES = frozenset([".txt", ".text", ".md"])


def read_texts(files: Sequence[Path], encoding: str) -> tuple[list[str], tuple[str, ...]]:
    """What stands in files that are all of one encoding, and what was guessed of it.

    Raises:
        DataError: one cannot be read, or is no text in that encoding.
    """
    read, notes = read_each(files, encoding)
    texts = []
    for text in read:
        if isinstance(text, DataError):
            raise text
        texts.append(text)
    return texts, notes


def read_each(files: Sequence[Path], encoding: str) -> tuple[list[str | DataError], tuple[str, ...]]:
    """What stands in each of the files, or why it cannot be read; and what was guessed of their encoding.

    Files that are not UTF-8 are judged together, as one alone may be too short to tell.
    """
    contents = [_read(file) for file in files]
    odd = {at: one for at, one in enumerate(contents) if isinstance(one, bytes) and not _is_plain(one)}
    chinese: tuple[str, ...] = ()
    if encoding == "auto" and len(odd) > 1:
        try:
            _, chinese = decode(b"\n".join(odd.values()), "", "auto")
        except DataError:  # so each is judged alone, and says itself what it is not
            chinese = ()
    found: list[str | DataError] = []
    notes = dict.fromkeys(chinese)
    for at, (file, content) in enumerate(zip(files, contents, strict=True)):
        try:
            if isinstance(content, DataError):
                raise content
            text, said = decode(content, str(file), "gb18030" if chinese and at in odd else encoding)
            if "\0" in text:
                raise DataError(
                    "the file holds a zero byte, which no text has",
                    where=f"{file}, line {text[: text.index(chr(0))].count(chr(10)) + 1}",
                    fix="remove it, or leave the file out",
                )
            found.append(text)
            notes |= dict.fromkeys(said)
        except DataError as error:
            found.append(error)
    return found, tuple(notes)


def _read(file: Path) -> bytes | DataError:
    try:
        return file.read_bytes()
    except OSError as error:
        return DataError(f"{file} cannot be read: {error.strerror}", where="data.path", fix="give readable files")


def _is_plain(content: bytes) -> bool:
    """Whether bytes are UTF-8, or say themselves what they are."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:4]:
        return True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
