"""Copies of texts: within training, across splits, with other labels; and splits by a column."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from dltrain.data.text_forms import normal_form
from dltrain.kinds.kind import kind_of
from dltrain.kinds.text.load import text
from dltrain.types import Data

PLAIN = ["people", "house", "year", "week", "under", "over", "report", "man", "new", "last", "small"]


def prose(seed: int) -> str:
    random = np.random.default_rng(seed)
    return " ".join(PLAIN[at] for at in random.integers(0, len(PLAIN), 12))


def write(path: Path, rows: list[list[str]]) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return str(path)


def findings(data: Data) -> list[str]:
    return [str(finding) for finding in kind_of(data.facts).check(data)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sorry, I'll call later", "sorry i'll call LATER !!"),
        ("Fish &amp; chips http://t.co/ab12", "fish & chips https://t.co/zz9"),
        ("Ｆｕｌｌ width", "full  width"),
        ("很好，非常好。", "很好 非常好"),
    ],
)
def test_a_copy_has_the_same_words(one: str, other: str) -> None:
    assert normal_form(one).replace("'", " ") == normal_form(other).replace("'", " ")


def test_texts_of_other_words_or_marks_alone_are_no_copies() -> None:
    assert normal_form("it is good") != normal_form("it is not good")
    assert normal_form(":)") != normal_form(":(")


def test_copies_in_two_splits_and_with_other_labels_are_named(tmp_path: Path) -> None:
    rows = [[prose(at), "ab"[at % 2]] for at in range(80)]
    held_out = [
        [rows[0][0].upper() + "!", rows[0][1]],
        [rows[1][0], rows[1][1]],
        *([prose(900 + at), "a"] for at in range(6)),
    ]
    rows += [[rows[2][0], "b"], ["", "a"], ["", "b"]]
    path = write(tmp_path / "train.csv", [["text", "label"], *rows])
    test_path = write(tmp_path / "test.csv", [["text", "label"], *held_out])
    said = findings(text(path=path, test_path=test_path, val_fraction=0))
    across = next(line for line in said if "are also in train" in line)
    assert across.startswith(
        "2 of 8 texts in test are also in train, 1 of them with other case, marks, blanks or links"
    )
    assert "data.duplicates=drop" in across
    conflict = next(line for line in said if "another label" in line)
    assert conflict.startswith("1 text has a copy with another label: 2 ") and "(a) = 80 " in conflict
    left = text(path=path, test_path=test_path, val_fraction=0, duplicates="drop")
    assert (len(left.splits["train"]), len(left.splits["test"])) == (81, 8)  # the label differs; empty texts stay
    assert "left out 2 of 91 texts that repeat another: data.duplicates=drop" in left.notes
    assert not any("also in train" in line for line in findings(left))


def test_texts_without_copies_have_no_finding(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", [["text", "label"], *([prose(at), "ab"[at % 2]] for at in range(600))])
    assert not any("cop" in line or "also in" in line for line in findings(text(path=path)))


def test_a_column_of_splits_is_followed(tmp_path: Path) -> None:
    names = ["train", "train", "train", "valid", "test"]
    rows = [[prose(at), "ab"[at % 2], names[at % 5]] for at in range(100)]
    data = text(path=write(tmp_path / "x.csv", [["text", "label", "split"], *rows]))
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 60, "val": 20, "test": 20}
    assert all(int(name) % 5 == 4 for name in data.splits["test"].ids)
    assert "splits by the column split: test is test, train is train, valid is val" in data.notes
    assert not any("data.use" in note for note in data.notes)


def test_a_column_of_true_and_false_may_say_the_splits(tmp_path: Path) -> None:
    rows = [[prose(at), "ab"[at % 2], at % 4 == 3] for at in range(100)]
    data = text(path=write(tmp_path / "x.csv", [["text", "label", "is_valid"], *rows]))
    assert all(int(name) % 4 == 3 for name in data.splits["test"].ids)
    assert len(data.splits["test"]) == 25
    assert "splits by the column is_valid: False is train, True is test" in data.notes


def test_texts_of_one_source_in_two_splits_are_warned_about(tmp_path: Path) -> None:
    rows = [[str(at), str(at // 5), prose(at), "ab"[at % 2]] for at in range(400)]
    path = write(tmp_path / "x.csv", [["PhraseId", "SentenceId", "Phrase", "Sentiment"], *rows])
    said = "data.group=SentenceId"
    assert any(said in line for line in findings(text(path=path)))
    assert not any(said in line for line in findings(text(path=path, group="SentenceId")))
    assert not any("data.use" in note for note in text(path=path).notes)
