"""Documents of a corpus: reads them from files, cuts them into pieces, samples them, and splits them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dltrain.data.splits import check_fractions
from dltrain.data.text_files import read_texts
from dltrain.errors import DataError
from dltrain.types import SPLITS, SplitName

PIECES = 50  # a corpus of fewer documents is cut into so many
SHORTEST_PIECE = 200  # characters
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # byte order marks
LARGEST_FILE = 1 << 24  # bytes; a larger file in a folder is probably not prose


@dataclass(frozen=True)
class Document:
    """A text, or a piece of one.

    Args:
        name: the name of its file.
        text: the text itself.
        start: where it begins in the file, in characters.
        whole: whether the document ends with it.
    """

    name: str
    text: str
    start: int = 0
    whole: bool = True


def cut_documents(documents: Sequence[Document], characters: int | None) -> list[Document]:
    """Returns the documents, or pieces of them if they are few or long compared with `characters`.

    A piece ends at the end of a line if possible.
    """
    total = sum(len(document.text) for document in documents)
    size = total if len(documents) >= PIECES else max(min(SHORTEST_PIECE, total // 10), -(-total // PIECES))
    size = max(1, min(size, total if characters is None else max(SHORTEST_PIECE, characters // 20)))
    pieces: list[Document] = []
    for document in documents:
        start, length = 0, len(document.text)
        while start < length:
            end = start + size
            if end < length:
                line = document.text.rfind("\n", start + size // 2, end)
                end = line + 1 if line >= 0 else end
            pieces.append(Document(document.name, document.text[start:end], start, whole=end >= length))
            start = end
    return pieces


def draw_documents(pieces: list[Document], characters: int | None, rng: np.random.Generator) -> list[Document]:
    """Returns pieces drawn at random, in their order, with at most `characters` in all."""
    if characters is None or sum(len(piece.text) for piece in pieces) <= characters:
        return pieces
    chosen, taken = [], 0
    for index in rng.permutation(len(pieces)).tolist():
        if taken + len(pieces[index].text) <= characters:
            chosen.append(index)
            taken += len(pieces[index].text)
    return [pieces[index] for index in sorted(chosen)]


def divide(
    pieces: list[Document], fractions: dict[str, float], rng: np.random.Generator
) -> dict[SplitName, list[Document]]:
    """Returns whole pieces for each split, drawn at random, with about its fraction of the characters.

    Raises:
        DataError: no piece is left to train on.
    """
    check_fractions(fractions["val"], fractions["test"])
    total = sum(len(piece.text) for piece in pieces)
    order = rng.permutation(len(pieces)).tolist()
    chosen: dict[SplitName, list[int]] = {}
    held_out: tuple[SplitName, ...] = ("test", "val")
    for name in held_out:
        wanted = total * fractions[name]
        part: list[int] = []
        if not wanted:
            continue
        taken = 0
        for index in list(order):
            size = len(pieces[index].text)
            if not part or taken + size <= 1.1 * wanted:
                part.append(index)
                order.remove(index)
                taken += size
            if taken >= wanted:
                break
        chosen[name] = part
    if not order:
        raise DataError(
            f"{len(pieces)} pieces of text leave nothing to train on",
            where="data.path",
            fix="give more text, or smaller fractions",
        )
    chosen["train"] = order
    return {name: [pieces[index] for index in sorted(chosen[name])] for name in SPLITS if name in chosen}


def read_documents(
    path: Path, encoding: str, skipped: frozenset[str] | set[str] = frozenset(), suffixes: tuple[str, ...] = ()
) -> tuple[list[Document], tuple[str, ...]]:
    """Returns the documents of a file or of all text files below a folder, in the order of their names, and notes.

    Raises:
        DataError: the file or folder does not exist or contains no text.
    """
    if path.is_file():
        texts, notes = read_texts([path], encoding)
        return [Document(path.name, plain_lines(texts[0]))], notes
    if not path.is_dir():
        raise DataError(f"there is no file or folder {path}", where="data.path", fix="give a text file or a folder")
    files, ignored = [], 0
    for root, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in skipped)
        for name in sorted(names):
            file = Path(root, name)
            if name.startswith(".") or (suffixes and file.suffix not in suffixes) or not _is_text(file):
                ignored += 1
            else:
                files.append(file)
    if not files:
        raise DataError(f"{path} contains no text files", where="data.path", fix="give another folder, or a file")
    texts, notes = read_texts(files, encoding)
    if ignored:
        notes += (f"ignored {ignored} files that are not texts",)
    named = [(str(file.relative_to(path)), plain_lines(text)) for file, text in zip(files, texts, strict=True)]
    return [Document(name, text) for name, text in named if text.strip()], notes


def _is_text(file: Path) -> bool:
    """Tells whether a file looks like text: not empty, not huge, and without zero bytes at its beginning."""
    try:
        with file.open("rb") as opened:
            head = opened.read(4096)
        return bool(head) and file.stat().st_size <= LARGEST_FILE and (b"\0" not in head or head[:2] in UTF16)
    except OSError:
        return False


def plain_lines(text: str) -> str:
    """Returns a text with all line ends as line feeds."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
