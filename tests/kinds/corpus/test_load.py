"""Corpora: windows that predict each token once, splits without leaks, and too little text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dltrain.data.tokens import END, UNKNOWN, Vocabulary
from dltrain.errors import DataError
from dltrain.kinds.corpus.load import corpus, verse
from dltrain.kinds.corpus.stream import Stream
from dltrain.types import Data


def stream(count: int) -> Stream:
    return Stream(np.arange(3, 3 + count), np.zeros(count, dtype=np.int64), np.arange(count), ("a.txt",))


def spelled(data: Data, split: str) -> str:
    target = data.splits[split].target  # type: ignore[index]
    first = int(data.splits[split].inputs[0][0, 0])  # type: ignore[index]
    return Vocabulary.of(data.facts).spell([first, *target[target >= 0].tolist()])


@pytest.mark.parametrize("stride", [8, 4])
@pytest.mark.parametrize("count", [2, 5, 8, 9, 10, 40, 41])
def test_every_token_but_the_first_is_predicted_once_from_those_before_it(count: int, stride: int) -> None:
    split = stream(count).windows(8, stride)
    target = split.target
    assert target[target >= 0].tolist() == list(range(4, 3 + count))
    predicted = target >= 0
    assert torch.equal(split.inputs[0][predicted] + 1, target[predicted])
    if stride == 4 and count > 9:
        assert int(predicted[1:].int().argmax(dim=1).min()) == 4  # half a window stands before what is predicted
    assert split.ids[0] == "a.txt:0"


def test_documents_stay_whole_and_nothing_is_lost(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number:02}.txt").write_text(f"[{number}] " + f"line {number % 7}\r\n" * 9, encoding="utf-8")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\0\0")
    (tmp_path / ".hidden").write_text("x" * 500)
    data = corpus(path=str(tmp_path), length=16)
    texts = {name: spelled(data, name) for name in data.splits}
    assert sum(text.count("line") for text in texts.values()) == 60 * 9
    for name, text in texts.items():
        for document in text.split("\n\n")[:-1]:
            assert document.count("line") == 9, name
    assert len(texts["test"]) == pytest.approx(len(texts["train"]) / 8, rel=0.3)
    assert END in data.splits["train"].target
    assert any("ignored 2 files" in note for note in data.notes)
    other = corpus(path=str(tmp_path), length=16, seed=1)
    assert spelled(other, "test") != texts["test"]


def test_a_single_file_is_split_by_stretches_that_do_not_overlap(tmp_path: Path) -> None:
    text = "".join(f"line {number:04}\n" for number in range(2000))
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    data = corpus(path=str(tmp_path / "a.txt"), length=32)
    lines = {name: set(spelled(data, name).split("\n")) - {""} for name in data.splits}
    assert not (lines["train"] & lines["test"] | lines["train"] & lines["val"] | lines["val"] & lines["test"])
    assert len(set().union(*lines.values())) == 2000
    small = corpus(path=str(tmp_path / "a.txt"), length=32, characters=5000)
    taken = sum(len(spelled(small, name)) for name in small.splits)
    assert 4000 < taken <= 5000
    assert any("of 20,000 characters" in note for note in small.notes)


def test_words_spell_the_text_again_and_strange_characters_are_unknown(tmp_path: Path) -> None:
    text = "It is,  well...\n\tgood. 好的！\n" * 100
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    data = corpus(path=str(tmp_path / "a.txt"), tokens="word", length=16, val_fraction=0)
    for name in data.splits:
        assert set(spelled(data, name).strip("\n").split("\n")) <= {"It is,  well...", "\tgood. 好的！"}
    (tmp_path / "b.txt").write_text("xyz ☃ " * 50, encoding="utf-8")
    odd = corpus(path=str(tmp_path / "a.txt"), test_path=str(tmp_path / "b.txt"), length=16)
    assert UNKNOWN in odd.splits["test"].target
    assert any("of the test split are not in the vocabulary" in note for note in odd.notes)


def test_too_little_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("short", encoding="utf-8")
    with pytest.raises(DataError, match="5 characters are too few"):
        corpus(path=str(tmp_path / "a.txt"))
    with pytest.raises(DataError, match="no file or folder"):
        corpus(path=str(tmp_path / "b.txt"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="contains no text files"):
        corpus(path=str(tmp_path / "empty"))
    (tmp_path / "a.txt").write_text("ab cd\n" * 30, encoding="utf-8")
    assert set(corpus(path=str(tmp_path / "a.txt"), length=8).splits) == {"train", "val", "test"}


def test_verse_rhymes() -> None:
    data = verse(rows=60)
    poems = spelled(data, "train").strip().split("\n\n\n")
    assert len(poems) == 48
    first, second = poems[0].split("\n")
    assert (len(first), len(second)) == (12, 12)
    assert Vocabulary.of(data.facts).tokens == "character"


def test_a_corpus_with_a_zero_byte_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a line of text\n" * 400 + b"and\0more\n")
    with pytest.raises(DataError, match="zero byte") as refused:
        corpus(path=str(tmp_path / "a.txt"))
    assert refused.value.where.endswith("a.txt, line 401")


def test_a_held_out_file_that_is_not_there_is_not_blamed_on_the_training_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two three four five. " * 100)
    with pytest.raises(DataError, match="nowhere") as refused:
        corpus(path=str(tmp_path / "a.txt"), val_path=str(tmp_path / "nowhere.txt"))
    assert refused.value.where == "data.val_path"
