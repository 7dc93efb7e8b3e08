"""Text of held-out splits that is also in train."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dltrain.kinds.corpus.kind import Corpus
from dltrain.kinds.corpus.load import corpus

WORDS = [f"{first}{second}" for first in ("ba", "lo", "mi", "su", "ter") for second in ("n", "ra", "vos", "x", "lin")]


def prose(seed: int, lines: int = 12) -> str:
    random = np.random.default_rng(seed)
    rows = random.integers(0, len(WORDS), (lines, 9))
    return "\n".join(" ".join(WORDS[at] for at in row) for row in rows) + "\n"


def findings(train: str, test: str, folder: Path) -> list[str]:
    (folder / "train.txt").write_text(train)
    (folder / "test.txt").write_text(test)
    data = corpus(path=str(folder / "train.txt"), test_path=str(folder / "test.txt"), val_fraction=0, length=16)
    return [str(finding) for finding in Corpus().check(data)]


def test_lines_of_train_in_test_are_said(tmp_path: Path) -> None:
    train = "".join(map(prose, range(20)))
    (line,) = findings(train, prose(50) + train[: len(prose(0))].upper(), tmp_path)
    assert line.startswith("50 % of the characters in test are in lines and sentences that are also in train")


def test_whole_documents_are_named(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / "books").mkdir(exist_ok=True)
        (tmp_path / "books" / f"{number}.txt").write_text(prose(number % 59))
    data = corpus(path=str(tmp_path / "books"), test_path=str(tmp_path / "books" / "3.txt"), val_fraction=0, length=16)
    (line,) = map(str, Corpus().check(data))
    assert line.startswith("1 of 1 documents in test are also in train: 3.txt = 3.txt")


def test_other_text_has_no_finding(tmp_path: Path) -> None:
    assert findings("".join(map(prose, range(20))), prose(99), tmp_path) == []
