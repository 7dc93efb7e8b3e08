"""Pairs: files, columns, splits, tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dltrain.data.samples.pairs import spell_out
from dltrain.data.tokens import END, IGNORED
from dltrain.errors import DataError
from dltrain.kinds.pairs.encoder import PairsEncoder
from dltrain.kinds.pairs.kind import Pairs
from dltrain.kinds.pairs.load import number_words, pairs, sums
from dltrain.kinds.pairs.split import words_of
from dltrain.kinds.pairs.unit import choose_unit
from dltrain.types import Data

NOUNS = ["cat", "dog", "horse", "bird", "child", "man", "woman", "king", "fish", "tree"]
STARTS, DEBUTS = ["The", "My", "Every"], ["Le", "Mon", "Chaque"]
NAMES = ["chat", "chien", "cheval", "oiseau", "enfant", "homme", "femme", "roi", "poisson", "arbre"]


def sentences(rows: int) -> list[tuple[str, str]]:
    """Returns sentences in English, and in French of a kind."""
    return [
        (
            f"{STARTS[at % 3]} {NOUNS[at % 10]} sees a {NOUNS[at // 10 % 10]}{'!' * (at // 100)}",
            f"{DEBUTS[at % 3]} {NAMES[at % 10]} voit un {NAMES[at // 10 % 10]}{' !' * (at // 100)}",
        )
        for at in range(rows)
    ]


def notes_of(data: Data) -> str:
    return "\n".join(data.notes)


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def table(path: Path, head: str, rows: list[tuple[str, ...]], between: str = "\t") -> str:
    lines = ([head] if head else []) + [between.join(row) for row in rows]
    return write(path, "\n".join(lines) + "\n")


def texts_of(data: Data) -> dict[str, set[str]]:
    return {name: set(split.texts) for name, split in data.splits.items()}


def spelled(data: Data, name: str = "train") -> list[str]:
    encoder = PairsEncoder.of(data.facts)
    rows = data.splits[name].target.tolist()  # type: ignore[index]
    return [encoder.answer.spell(token for token in row if token not in (END, IGNORED)) for row in rows]


def test_lines_of_sentences_attributions_and_no_header_are_read_like_ankis(tmp_path: Path) -> None:
    rows = [(*pair, f"CC-BY 2.0 (France) Attribution: tatoeba.org #{at}") for at, pair in enumerate(sentences(200))]
    data = pairs(path=table(tmp_path / "fra.txt", "", rows))
    assert sum(map(len, data.splits.values())) == 200
    assert "sources are in column_1 and answers in column_2" in notes_of(data)
    assert "not used: column_3" in notes_of(data)
    assert "tokens are words, because both sides repeat their words" in notes_of(data)
    assert "Le chat voit un chat" in spelled(data) + spelled(data, "val") + spelled(data, "test")
    encoder = Pairs().encoder(data.facts)
    assert not encoder.has_header


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("question,answer", lambda at: (f"what is {at}?", str(2 * at))),
        ("answer,question", lambda at: (str(2 * at), f"what is {at}?")),
        ("id,question,answer", lambda at: (str(at), f"what is {at}?", str(2 * at))),
        ("question,level,answer", lambda at: (f"what is {at}?", str(at % 3), str(2 * at))),
        ("url,src,tgt", lambda at: (f"https://a.org/{at}", f"what is {at}?", str(2 * at))),
    ],
)
def test_columns_are_found_by_their_names(head: str, row: Callable[[int], tuple[str, ...]], tmp_path: Path) -> None:
    data = pairs(path=table(tmp_path / "a.csv", head, [row(at) for at in range(60)], ","))
    assert "what is 7?" in set.union(*texts_of(data).values())
    assert "14" in spelled(data) + spelled(data, "val") + spelled(data, "test")
    assert "tokens are characters, because the sources hold numbers" in notes_of(data)


def test_json_lines_and_named_columns_are_read(tmp_path: Path) -> None:
    rows = [{"a": f"number {at}", "b": at, "c": f"n {at % 9}"} for at in range(50)]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    data = pairs(path=path, text="a", target="b")
    assert data.facts.target == "b"
    assert "17" in spelled(data) + spelled(data, "val") + spelled(data, "test")
    with pytest.raises(DataError, match="no column 'bb'") as refused:
        pairs(path=path, target="bb")
    assert (refused.value.where, refused.value.override) == ("data.target", "data.target=b")
    with pytest.raises(DataError, match="cannot be both"):
        pairs(path=path, text="a", target="a")


def test_columns_that_could_all_be_meant_are_asked_about(tmp_path: Path) -> None:
    rows = [(en, fr, fr.upper()) for en, fr in sentences(60)]
    path = table(tmp_path / "a.tsv", "english\tfrench\tloud", rows)
    with pytest.raises(
        DataError, match="which columns hold sources and answers is open: english, french, loud"
    ) as first:
        pairs(path=path)
    assert "data.text=COLUMN data.target=COLUMN" in first.value.fix
    with pytest.raises(DataError, match="which column holds the sources is open"):
        pairs(path=path, target="french")
    assert pairs(path=path, text="english", target="loud").facts.target == "loud"


def test_two_files_of_parallel_lines_are_pairs(tmp_path: Path) -> None:
    english, french = zip(*sentences(120), strict=True)
    source, target = (
        write(tmp_path / name, "\n".join(lines) + "\n") for name, lines in (("a.en", english), ("a.fr", french))
    )
    data = pairs(path=source, target_path=target, val_path=source, val_target_path=target)
    assert data.facts.target == "fr"
    assert len(data.splits["val"]) == 120
    assert "Le chat voit un chat" in spelled(data, "val")
    findings = [str(finding) for finding in Pairs().check(data)]
    copies = len(texts_of(data)["train"])
    assert f"samples with the same inputs as one in train: {copies} of 120 in val and 0 of" in findings[0]
    with pytest.raises(DataError, match=r"b\.fr 119, so that they do not belong together") as refused:
        pairs(path=source, target_path=write(tmp_path / "b.fr", "\n".join(french[:-1])))
    assert refused.value.where == "data.target_path"
    with pytest.raises(DataError, match=r"data.val_path is given without data.val_target_path"):
        pairs(path=source, target_path=target, val_path=source)
    with pytest.raises(DataError, match=r"data.test_target_path is given without data.test_path"):
        pairs(path=source, target_path=target, test_target_path=target)
    with pytest.raises(DataError, match="no columns to choose from"):
        pairs(path=source, target_path=target, text="en")


def test_a_pair_without_a_part_is_left_out_and_said(tmp_path: Path) -> None:
    rows = [*sentences(50), ("", "Rien"), ("Nothing", ""), ("Nothing", " ")]
    data = pairs(path=table(tmp_path / "a.tsv", "source\ttarget", rows))
    assert sum(map(len, data.splits.values())) == 50
    assert "left out 1 pairs without source, in source, such as row 50" in notes_of(data)
    assert "left out 2 pairs without answer, in target, such as row 51, 52" in notes_of(data)
    with pytest.raises(DataError, match="no row has both a source and an answer"):
        pairs(path=table(tmp_path / "b.tsv", "source\ttarget", [("a", ""), ("", "b")]))


def test_one_column_is_no_pair(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "question\n" + "".join(f"what is {at}?\n" for at in range(40)))
    with pytest.raises(DataError, match="a pair is a source and its answer, and the table has the one column question"):
        pairs(path=path)


def test_sources_of_the_same_words_are_in_one_split(tmp_path: Path) -> None:
    data = sums(rows=2000, digits=2)
    keys = {name: set(map(words_of, texts)) for name, texts in texts_of(data).items()}
    assert not keys["train"] & keys["test"]
    assert not keys["train"] & keys["val"]
    assert "the same words, in any order," in notes_of(data)
    assert not list(Pairs().check(data))
    rows = [(f"say {at % 40}", f"answer {at}") for at in range(200)]
    data = pairs(path=table(tmp_path / "a.tsv", "source\ttarget", rows))
    texts = texts_of(data)
    assert not texts["train"] & texts["test"]
    assert "several answers, and a model gives one: at most 20.0 % can be exact" in notes_of(data)
    few = [(" ".join(f"{at:09b}"), f"{at:09b}"[::-1]) for at in range(500)]  # ten counts of ones alone
    data = pairs(path=table(tmp_path / "b.tsv", "source\ttarget", few))
    assert "sources have the same text" not in notes_of(data)
    assert len(data.splits["test"]) == 50


def test_words_in_another_order_in_files_of_ones_own_are_found(tmp_path: Path) -> None:
    train = table(
        tmp_path / "a.csv", "question,answer", [(f"{at}+{at + 50}", str(2 * at + 50)) for at in range(80)], ","
    )
    test = table(
        tmp_path / "b.csv", "question,answer", [(f"{at + 50}+{at}", str(2 * at + 50)) for at in range(60)], ","
    )
    data = pairs(path=train, test_path=test, val_fraction=0.0)
    (finding, *_) = Pairs().check(data)
    assert "sources with the words of one in train, in another order or case: 60 of 60 in test" in finding.what


def test_a_column_of_groups_decides_instead(tmp_path: Path) -> None:
    rows = [(f"{en} {at}", fr, f"book {at % 12}") for at, (en, fr) in enumerate(sentences(120))]
    path = table(tmp_path / "a.tsv", "source\ttarget\tbook", rows)
    data = pairs(path=path, group="book")
    books = {name: {int(text.rsplit(" ", 1)[1]) % 12 for text in texts} for name, texts in texts_of(data).items()}
    assert not books["train"] & books["test"]
    with pytest.raises(DataError, match="there is no column 'boo'"):
        pairs(path=path, group="boo")


@pytest.mark.parametrize(
    ("sources", "answers", "unit", "reason"),
    [
        (["three hundred"] * 9, ["300"] * 9, "character", "the answers hold numbers"),
        (["recieve", "adress"], ["receive", "address"], "character", "the sources are single words"),
        (["你好吗", "我很好"], ["how are you", "i am well"], "character", "the sources have no spaces between words"),
        ([f"go to {a}" for a in "abab"], [f"va à {a}" for a in "abab"], "word", "both sides repeat their words"),
        (["aa bb", "cc dd"], ["ee ff", "ee ff"], "character", "the sources hardly repeat their words"),
    ],
)
def test_the_unit_of_a_token_follows_from_the_texts(
    sources: list[str], answers: list[str], unit: str, reason: str
) -> None:
    assert choose_unit(sources, answers) == (unit, reason)


def test_byte_pairs_of_each_side_write_any_source_and_answer(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    path = tmp_path / "fra.txt"
    path.write_text("\n".join("\t".join(pair) for pair in sentences(300)), encoding="utf-8")
    data = pairs(path=str(path), tokens="bpe", vocabulary=300)
    encoder = PairsEncoder.of(data.facts)
    assert encoder.source.tokens == encoder.answer.tokens == "piece"
    for text in ("Every king sees a tree!", "Zoë  SEES a naïve 猫?"):
        for vocabulary, numbers in (
            (encoder.source, replace(encoder, lengths=(99, 99)).encode_sources([text]).tokens[0].tolist()),
            (encoder.answer, replace(encoder, lengths=(99, 99)).number_answer(text)[:-1].tolist()),
        ):
            assert vocabulary.spell(numbers) == text
    test = data.splits["test"]
    assert [encoder.source.spell(row) for row in test.inputs[0].tolist()] == list(test.texts)


def test_what_is_cut_or_unknown_is_said(tmp_path: Path) -> None:
    rows = [(f"say {at}", "x" * (1 + at % 7)) for at in range(100)]
    data = pairs(path=table(tmp_path / "a.tsv", "source\ttarget", rows), length=5)
    assert data.facts.input_shape == (5, 6)
    assert "answers of the train split are longer than 5 characters: never right" in notes_of(data)
    with pytest.raises(DataError, match="no word occurs 99 times") as refused:
        pairs(path=table(tmp_path / "a.tsv", "source\ttarget", rows), least=99, tokens="word")
    assert refused.value.override == "data.least=1"


def test_numbers_are_spelled_out() -> None:
    data = number_words(rows=300)
    answers = dict(zip(data.splits["train"].texts, spelled(data), strict=True))
    for text, answer in answers.items():
        assert ("thousand" in text) == (len(answer) > 3)
        assert ("hundred" in text.rpartition("thousand")[2]) == (answer[-3:].zfill(3)[0] != "0")
    assert spell_out(0) == "zero"
    assert spell_out(45_312) == "forty-five thousand three hundred twelve"
    assert spell_out(700_019) == "seven hundred thousand nineteen"
    assert len(set(data.splits["train"].texts)) == len(data.splits["train"])


def test_generated_pairs_are_the_same_again_and_read_back() -> None:
    first, second = sums(rows=100), sums(rows=100)
    assert all(map(lambda a, b: bool((a == b).all()), first.splits["test"].inputs, second.splits["test"].inputs))
    for text, answer in zip(first.splits["train"].texts, spelled(first), strict=True):
        assert sum(map(int, text.split("+"))) == int(answer)
    encoder = PairsEncoder.of(first.facts)
    assert encoder.encode(["007+045"]).inputs[1].tolist() == [7]
    assert [str(remark) for remark in encoder.encode(["1?"]).remarks[0]] == ["unknown characters"]
