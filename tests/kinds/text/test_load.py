"""Texts with labels: which columns, which tokens, what is said of odd ones, and what a later prediction needs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from dltrain.data.samples.texts import BAD, GOOD
from dltrain.data.tokens import Vocabulary
from dltrain.errors import DataError
from dltrain.kinds.text.encoder import trim
from dltrain.kinds.text.load import text
from dltrain.types import Data

WORDS = {"good": ["fine", "lovely", "great"], "bad": ["poor", "awful", "dull"]}


def write(path: Path, rows: int = 60, **columns: list[str]) -> Path:
    labels = ["good" if row % 2 else "bad" for row in range(rows)]
    texts = [f"a {WORDS[label][row % 3]} film with some more words {row % 7}" for row, label in enumerate(labels)]
    pd.DataFrame({"id": range(rows), "comment": texts, "mark": labels} | columns).to_csv(path, index=False)
    return path


def spelled(data: Data, split: str, row: int) -> list[str]:
    entries = ["", "?", "", *Vocabulary.of(data.facts).words]
    tokens, lengths = data.splits[split].inputs
    return [entries[token] for token in tokens[row, : lengths[row]].tolist()]


def test_the_longest_column_is_read_and_said(tmp_path: Path) -> None:
    data = text(path=str(write(tmp_path / "a.csv")), target="mark")
    assert data.facts.kind == "text"
    assert data.facts.classes == ("bad", "good")
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 48, "val": 6, "test": 6}
    assert any("the texts are in comment" in note for note in data.notes)
    test = data.splits["test"]
    assert spelled(data, "test", 0) == test.texts[0].split()
    for label, line in zip(test.target.tolist(), test.texts, strict=True):
        assert any(word in line for word in WORDS[data.facts.classes[label]])


def test_the_target_is_inferred_where_one_column_is_left(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", town=["Ulm", "Bonn", "Kiel"] * 20)
    with pytest.raises(DataError, match="no target") as refused:
        text(path=str(path))
    assert refused.value.override == "data.target=mark"
    path = write(tmp_path / "a.csv")
    assert text(path=str(path)).facts.target == "mark"  # id only numbers the rows
    pd.read_csv(path).drop(columns="id").to_csv(path, index=False)
    assert text(path=str(path)).facts.target == "mark"
    with pytest.raises(DataError, match="no column 'coment'") as refused:
        text(path=str(path), target="mark", text="coment")
    assert refused.value.override == "data.text=comment"


def test_empty_long_and_strange_texts_are_defined_and_counted(tmp_path: Path) -> None:
    frame = pd.read_csv(write(tmp_path / "a.csv"))
    frame.loc[:2, "comment"] = ["", "😀 \x07 ☃", "very " * 500]
    frame.to_csv(tmp_path / "a.csv", index=False)
    data = text(path=str(tmp_path / "a.csv"), target="mark", val_fraction=0)
    assert any("1 text is empty" in note for note in data.notes)
    assert any(note.startswith("cut 1 of 60 texts at") for note in data.notes)
    tokens, lengths = data.splits["train"].inputs
    assert int(lengths.min()) >= 1
    assert int(lengths.max()) <= tokens.shape[1] < 20
    frame["comment"] = ""
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match="all empty"):
        text(path=str(tmp_path / "a.csv"), target="mark", text="comment")


def test_chinese_in_gbk_is_read_by_the_character(tmp_path: Path) -> None:
    rows = [("这部电影非常好看，演员很棒", "好评"), ("剧情无聊，浪费时间，不推荐", "差评")] * 30
    (tmp_path / "a.csv").write_bytes(pd.DataFrame(rows, columns=["评论", "类别"]).to_csv(index=False).encode("gbk"))
    data = text(path=str(tmp_path / "a.csv"))
    assert Vocabulary.of(data.facts).tokens == "character"
    assert set(data.facts.classes) == {"好评", "差评"}
    assert "".join(spelled(data, "train", 0)) in {line.replace("，", ",") for line, _ in rows}


def test_a_folder_of_classes_is_read_with_its_own_splits(tmp_path: Path) -> None:
    for split, count in (("train", 20), ("test", 4)):
        for label in ("good", "bad"):
            for number in range(count):
                file = tmp_path / split / label / f"{number}.txt"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"a {WORDS[label][number % 3]} film\n", encoding="utf-8")
    (tmp_path / "train" / "good" / "notes.pdf").write_bytes(b"%PDF")
    data = text(path=str(tmp_path), val_fraction=0.1)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 36, "val": 4, "test": 8}
    assert "test/bad/0.txt" in data.splits["test"].ids
    assert any("ignored 1 file that is no text, such as train/good/notes.pdf" in note for note in data.notes)
    with pytest.raises(DataError, match="its own splits"):
        text(path=str(tmp_path), test_path="b.csv")
    with pytest.raises(DataError, match="no column 'label'"):
        text(path=str(tmp_path), target="label")
    with pytest.raises(DataError, match=r"no folder for each|of one class"):
        text(path=str(tmp_path / "train" / "good"))


def test_groups_stay_together_and_files_can_be_splits(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", author=[f"author {row // 6}" for row in range(60)])
    data = text(path=str(path), target="mark", text="comment", group="author")
    owners = {name: {int(row) // 6 for row in split.ids} for name, split in data.splits.items()}
    assert not owners["train"] & owners["test"]
    other = write(tmp_path / "b.csv", rows=12)
    data = text(path=str(write(tmp_path / "a.csv")), target="mark", test_path=str(other), val_fraction=0)
    assert len(data.splits["test"]) == 12
    assert len(data.splits["train"]) == 60
    with pytest.raises(DataError, match="there is no file") as refused:
        text(path=str(other), target="mark", val_path=str(tmp_path / "c.csv"))
    assert refused.value.where == "data.val_path"


def test_a_batch_is_trimmed_to_its_longest_text() -> None:
    tokens, lengths = trim((torch.ones(3, 9, dtype=torch.int64), torch.tensor([2, 5, 1])))
    assert tokens.shape == (3, 5)
    assert lengths.tolist() == [2, 5, 1]


def test_the_same_seed_writes_the_same_reviews_and_their_order_matters() -> None:
    one, same, other = (text(rows=200, seed=seed) for seed in (0, 0, 1))
    assert one.splits["train"].texts == same.splits["train"].texts != other.splits["train"].texts
    stands_for = dict.fromkeys(GOOD, "+") | dict.fromkeys(BAD, "-")
    bags: dict[tuple[str, ...], set[int]] = {}
    whole = text(rows=3000, val_fraction=0, test_fraction=0).splits["train"]
    for line, label in zip(whole.texts, whole.target.tolist(), strict=True):
        judging = [stands_for.get(word, word) for word in line.split() if word in stands_for or word in ("not", "very")]
        bags.setdefault(tuple(sorted(judging)), set()).add(label)
    assert bags["+", "-", "very"] == {0, 1}  # very good and bad, or good and very bad


def test_folders_of_texts_are_classes_or_splits_as_the_user_says(tmp_path: Path) -> None:
    for place in ("train/good", "train/bad", "new"):
        (tmp_path / place).mkdir(parents=True)
        for number in range(20):
            (tmp_path / place / f"{number}.txt").write_text(f"film {number} of {place}, the {place}est of all", "utf-8")
    with pytest.raises(DataError, match="beside it new holds 20 texts") as refused:
        text(path=str(tmp_path))
    assert refused.value.override == "data.folders=splits"
    assert text(path=str(tmp_path), folders="splits").facts.classes == ("bad", "good")
    assert text(path=str(tmp_path), folders="classes").facts.classes == ("new", "train")


def test_files_that_are_no_text_are_named_together_or_left_out(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
        for number in range(20):
            (tmp_path / name / f"{number}.txt").write_text(f"a {name} film, the {name}est of all", "utf-8")
    whole = text(path=str(tmp_path))
    (tmp_path / "good" / "blank.txt").write_text(" \n")
    (tmp_path / "good" / "zero.txt").write_bytes(b"a good\0film")
    (tmp_path / "bad" / "odd.txt").write_bytes(b"\xe9t\xe9 \xff")
    with pytest.raises(DataError, match="3 of 43 texts cannot be read") as refused:
        text(path=str(tmp_path))
    assert refused.value.override == "data.on_bad=skip"
    for words in ("good/blank.txt (it is empty)", "contains a zero byte", "bad/odd.txt (the file is not UTF-8"):
        assert words in refused.value.what
    left = text(path=str(tmp_path), on_bad="skip")
    assert [split.ids for split in left.splits.values()] == [split.ids for split in whole.splits.values()]
    assert "left out 3 texts that cannot be read: bad/odd.txt, good/blank.txt, good/zero.txt" in left.notes
    assert "2 classes, by folder: bad (20), good (20)" in left.notes
    for number in range(20):
        (tmp_path / "bad" / f"{number}.txt").write_text("")
    with pytest.raises(DataError, match="too few texts of the train split"):
        text(path=str(tmp_path), on_bad="skip")
