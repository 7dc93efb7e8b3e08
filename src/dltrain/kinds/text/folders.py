"""Reads folders of texts, each labelled by its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd

from dltrain.data.class_folders import find_splits, note_bad, refuse_bad
from dltrain.data.folder_layout import FoldersMean
from dltrain.data.folder_tree import FileType, spell_below, spell_path
from dltrain.data.nouns import verb
from dltrain.data.text_files import SUFFIXES, is_text, read_each
from dltrain.errors import DataError
from dltrain.kinds.text.source import Source
from dltrain.types import SplitName

OnBad = Literal["error", "skip"]
TEXTS = FileType("texts", SUFFIXES, "class/*.txt, or give a CSV file", is_text)


def read_class_folders(folder: Path, encoding: str, on_bad: OnBad, mean: FoldersMean = "auto") -> Source:
    """Returns text files, each labelled by its folder.

    Args:
        folder: a folder of `class/*.txt` or `train|val|test/class/*.txt`.
        encoding: a Python encoding name, or `auto`.
        on_bad: whether a file that is empty or cannot be read is refused or left out.
        mean: what the outermost folders are; `auto` decides.

    Raises:
        DataError: there are no such folders, files are refused, or too few are left.
    """
    folders = find_splits(folder, TEXTS, mean)
    splits = folders.splits
    frames: dict[SplitName, pd.DataFrame] = {}
    notes: tuple[str, ...] = ()
    bad: list[tuple[Path, str]] = []
    wrong: list[str] = []  # corrections of files in another encoding
    plain = True  # so that the others can be read in that encoding, too
    for name, split in splits.items():
        texts, guesses = read_each(split.files, encoding)
        reasons = [_why_bad(text) for text in texts]
        bad += [(file, reason) for file, reason in zip(split.files, reasons, strict=True) if reason]
        wrong += [text.override for text in texts if isinstance(text, DataError)]
        plain = plain and all(isinstance(text, DataError) or text.isascii() for text in texts)
        names = spell_below(folder, split.files)
        frame = pd.DataFrame({"text": texts, "class": map(spell_path, split.labels)}, index=names, dtype=object)
        frames[name] = frame[[not reason for reason in reasons]]
        notes += guesses
    if on_bad == "error":
        if plain and len(wrong) == len(bad) and all(fix.startswith("data.encoding=") for fix in wrong) and wrong:
            raise DataError(
                f"{TEXTS.count(len(bad))} {verb(len(bad), 'is', 'are')} not UTF-8, such as "
                f"{spell_path(bad[0][0].relative_to(folder))}",
                where="data.encoding",
                fix="name their encoding, gbk for Chinese, cp1252 for European",
                override=max(wrong, key=wrong.count),
            )
        refuse_bad(bad, sum(len(split.files) for split in splits.values()), folder, TEXTS)
    notes = (*folders.without({file for file, _ in bad}).notes, *notes)
    if bad:
        notes += (note_bad(bad, folder, TEXTS),)
    few = [name for name, frame in frames.items() if frame["class"].nunique() < (2 if name == "train" else 1)]
    if few:
        raise DataError(
            f"too few texts of the {few[0]} split can be read", where=str(folder), fix="correct them, or add more"
        )
    bare = any(file.suffix.lower() not in SUFFIXES for split in splits.values() for file in split.files)
    noted = tuple(dict.fromkeys(notes))
    return Source(frames, ("class",), ("text",), noted, has_splits=True, are_files=True, has_bare_files=bare)


def _why_bad(text: str | DataError) -> str:
    """Returns why a file cannot be used; empty if it can."""
    if isinstance(text, DataError):
        return text.what
    return "" if text.strip() else "it is empty"
