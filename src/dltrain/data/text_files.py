"""Text files: which there are below a folder, and what stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dltrain.data.images import SPLIT_FOLDERS
from dltrain.data.text_encoding import decode
from dltrain.errors import DataError
from dltrain.types import SplitName

SUFFIXES = frozenset([".txt", ".text", ".md"])


@dataclass(frozen=True)
class Labelled:
    """The text files of one folder of classes."""

    files: tuple[Path, ...]
    labels: tuple[str, ...]
    ignored: int


def find_labelled(folder: Path) -> dict[SplitName, Labelled]:
    """The texts of `class/*.txt`, or of `train|val|test/class/*.txt`, where all is train in the first case.

    Raises:
        DataError: there are no classes, or one has no texts.
    """
    below = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    named = {SPLIT_FOLDERS[name]: path for name, path in below.items() if name in SPLIT_FOLDERS}
    if "train" in named and any(path.is_dir() for path in named["train"].iterdir()):
        return {name: _find_classes(path) for name, path in named.items()}
    return {"train": _find_classes(folder)}


def _find_classes(folder: Path) -> Labelled:
    files: list[Path] = []
    labels: list[str] = []
    ignored = 0
    classes = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    if len(classes) < 2:
        raise DataError(
            "there is no folder for each of two classes or more",
            where=str(folder),
            fix="sort the texts into class/*.txt, or give a CSV file",
        )
    for path in classes:
        inside = [file for file in sorted(path.rglob("*")) if file.is_file() and not _is_hidden(file, path)]
        texts = [file for file in inside if file.suffix.lower() in SUFFIXES]
        if not texts:
            raise DataError(
                f"the class folder {path.name} holds no texts",
                where=str(folder),
                fix=f"add some, or remove it; texts are {' '.join(sorted(SUFFIXES))}",
            )
        files += texts
        labels += [path.name] * len(texts)
        ignored += len(inside) - len(texts)
    return Labelled(tuple(files), tuple(labels), ignored)


def _is_hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)


def read_texts(files: Sequence[Path], encoding: str) -> tuple[list[str], tuple[str, ...]]:
    """What stands in files that are all of one encoding, and what was guessed of it.

    Files that are not UTF-8 are judged together, as one alone may be too short to tell.

    Raises:
        DataError: one cannot be read, or is no text in that encoding.
    """
    try:
        contents = [file.read_bytes() for file in files]
    except OSError as error:
        raise DataError(
            f"{error.filename} cannot be read: {error.strerror}", where="data.path", fix="give readable files"
        ) from None
    notes: tuple[str, ...] = ()
    if encoding == "auto":
        odd = [at for at, content in enumerate(contents) if not _is_plain(content)]
        if odd:
            name = str(files[odd[0]]) + (f" and {len(odd) - 1} more" if len(odd) > 1 else "")
            _, notes = decode(b"\n".join(contents[at] for at in odd), name, "auto")
            if any("GB18030" in note for note in notes):
                texts = {at: decode(contents[at], str(files[at]), "gb18030")[0] for at in odd}
                return [
                    texts[at] if at in texts else decode(content, str(files[at]), "auto")[0]
                    for at, content in enumerate(contents)
                ], notes
    read = [decode(content, str(file), encoding) for file, content in zip(files, contents, strict=True)]
    return [text for text, _ in read], notes or tuple(dict.fromkeys(note for _, said in read for note in said))


def _is_plain(content: bytes) -> bool:
    """Whether bytes are UTF-8, or say themselves what they are."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:4]:
        return True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
