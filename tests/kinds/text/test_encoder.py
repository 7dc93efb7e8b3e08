"""The encoder of texts: the same in training and afterwards, and what it says of odd texts."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from dltrain.errors import DataError
from dltrain.kinds.kind import kind_of
from dltrain.kinds.text.encoder import TextEncoder
from dltrain.kinds.text.load import text
from dltrain.types import Data, Facts

WORDS = {"good": ["fine", "lovely", "great"], "bad": ["poor", "awful", "dull"]}


def reviews(rows: int = 60) -> pd.DataFrame:
    labels = ["good" if row % 2 else "bad" for row in range(rows)]
    texts = [f"a {WORDS[label][row % 3]} film with some more words {row % 7}" for row, label in enumerate(labels)]
    return pd.DataFrame({"comment": texts, "mark": labels})


def read_back(facts: Facts) -> TextEncoder:
    """Returns the encoder that facts.json holds."""
    encoder = kind_of(facts).encoder(Facts.from_json(json.loads(json.dumps(asdict(facts)))))
    assert isinstance(encoder, TextEncoder)
    return encoder


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[TextEncoder]:
    """Collects the encoders that are fitted while data is loaded."""
    encoders: list[TextEncoder] = []
    fit = TextEncoder.fit

    def collect(*arguments: object, **options: object) -> TextEncoder:
        encoders.append(fit(*arguments, **options))  # type: ignore[arg-type]
        return encoders[-1]

    monkeypatch.setattr(TextEncoder, "fit", collect)
    return encoders


def check_splits(data: Data, encoders: list[TextEncoder], frame: pd.DataFrame) -> None:
    """Compares what encoders make of a run's own rows with the splits that it trained on, bit for bit."""
    assert encoders[0] == encoders[1]
    for encoder in encoders:
        for split in data.splits.values():
            rows = frame.iloc[[int(name) for name in split.ids]]
            encoded = encoder.encode(rows)
            assert encoded.ids == split.ids
            for inputs, trained in zip(encoded.inputs, split.inputs, strict=True):
                assert torch.equal(inputs, trained) and inputs.dtype == trained.dtype
            targets = encoder.targets(rows)
            assert torch.equal(targets, split.target) and targets.dtype == split.target.dtype


def test_the_fitted_encoder_and_the_one_read_back_encode_the_splits_of_the_training(
    tmp_path: Path, fitted: list[TextEncoder]
) -> None:
    frame = reviews()
    frame.loc[:3, "comment"] = ["", "😀 \x07 ☃", "very " * 500, None]
    frame.loc[4, "mark"] = None
    frame.to_csv(tmp_path / "a.csv", index=False)
    data = text(path=str(tmp_path / "a.csv"), target="mark")
    check_splits(data, [*fitted, read_back(data.facts)], pd.read_csv(tmp_path / "a.csv", dtype=str))


def test_scored_texts_are_encoded_as_in_training_too(tmp_path: Path, fitted: list[TextEncoder]) -> None:
    frame = reviews()
    frame["mark"] = [f"{1.1 * row:.2f}" for row in range(len(frame))]
    frame.to_csv(tmp_path / "a.csv", index=False)
    data = text(path=str(tmp_path / "a.csv"), target="mark", tokens="character", least=1)
    assert data.facts.task == "regression"
    check_splits(data, [*fitted, read_back(data.facts)], pd.read_csv(tmp_path / "a.csv", dtype=str))


def test_files_in_class_folders_are_encoded_as_in_training(tmp_path: Path, fitted: list[TextEncoder]) -> None:
    for row, (comment, mark) in enumerate(reviews().itertuples(index=False)):
        (tmp_path / mark).mkdir(exist_ok=True)
        (tmp_path / mark / f"{row}.txt").write_text(f"{comment}\n", encoding="utf-8")
    data = text(path=str(tmp_path))
    for encoder in (*fitted, read_back(data.facts)):
        for split in data.splits.values():
            files = [str(tmp_path / name) for name in split.ids]
            encoded = encoder.encode(files)
            assert all(torch.equal(*pair) for pair in zip(encoded.inputs, split.inputs, strict=True))
            assert torch.equal(encoder.targets(files), split.target)


def test_new_texts_are_encoded_and_odd_ones_are_remarked(tmp_path: Path) -> None:
    reviews().to_csv(tmp_path / "a.csv", index=False)
    data = text(path=str(tmp_path / "a.csv"), target="mark")
    encoder, train = read_back(data.facts), data.splits["train"]
    again = encoder.encode(list(train.texts))
    assert all(torch.equal(one, other) for one, other in zip(again.inputs, train.inputs, strict=True))
    odd = encoder.encode(["", "zzz qqq", "some words " * 40])
    assert [list(map(str, remarks)) for remarks in odd.remarks] == [
        ["empty text"],
        ["most words unknown"],
        [f"cut at {data.facts.input_shape[0]} words"],
    ]
    frame = pd.DataFrame({"mark": ["bad"], "comment": [train.texts[0]]})
    assert torch.equal(encoder.encode(frame).inputs[0], train.inputs[0][:1])
    assert torch.equal(encoder.encode(frame[["comment"]].to_numpy()[:, 0]).inputs[0], train.inputs[0][:1])
    assert encoder.targets(frame).tolist() == [0]
    (tmp_path / "one.txt").write_text(train.texts[0], encoding="utf-8")
    assert torch.equal(encoder.encode([str(tmp_path / "one.txt")]).inputs[0], train.inputs[0][:1])
    assert torch.equal(encoder.encode([tmp_path / "one.txt"]).inputs[0], train.inputs[0][:1])
    with pytest.raises(DataError, match="no column 'comment'"):
        encoder.encode(pd.DataFrame({"a": ["x"], "b": ["y"]}))
    with pytest.raises(DataError, match="texts alone have no targets"):
        encoder.targets(["a fine film"])


@pytest.mark.parametrize(
    "damage",
    [
        {"tokens": "sentence"},
        {"vocabulary": ["a"]},
        {"vocabulary": 5},
        {"length": "x"},
        {"text": ...},
        {"text": 5},
        {"length": ...},
        {"lists": "heap"},
    ],
)
def test_facts_that_do_not_say_how_texts_are_encoded_are_refused(damage: dict[str, object]) -> None:
    facts = text(rows=50).facts
    stored = {key: value for key, value in {**facts.preprocessing, **damage}.items() if value is not ...}
    with pytest.raises(DataError, match=r"facts\.json does not say how texts"):
        read_back(replace(facts, preprocessing=stored))


def test_a_first_line_that_reads_like_a_text_is_not_taken_for_a_header(tmp_path: Path) -> None:
    reviews().to_csv(tmp_path / "x.csv", index=False)
    encoder = read_back(text(path=str(tmp_path / "x.csv"), target="mark").facts)
    for name in ("a lovely house with market", "这个东西真的很好用"):
        with pytest.raises(DataError, match="reads like a text") as refused:
            encoder.encode(pd.DataFrame({name: ["good film"]}))
        assert refused.value.override == "data.header=none"
    for name in ("words", "column_1", "what do you like about it?"):
        assert len(encoder.encode(pd.DataFrame({name: ["good film"]})).ids) == 1


def test_a_column_of_ids_names_the_rows_in_training_and_later(tmp_path: Path) -> None:
    frame = reviews().assign(tweet_id=[f"{row * 7 + 3}" for row in range(60)])
    frame.to_csv(tmp_path / "x.csv", index=False)
    data = text(path=str(tmp_path / "x.csv"), target="mark")
    names = frame["tweet_id"].tolist()
    assert set(data.splits["test"].ids) <= set(names)
    assert read_back(data.facts).encode(frame).ids == tuple(names)


def test_characters_are_read_in_pairs_and_words_alone(tmp_path: Path) -> None:
    frame = reviews()
    frame.to_csv(tmp_path / "words.csv", index=False)
    assert "ngrams" not in text(path=str(tmp_path / "words.csv")).facts.preprocessing
    facts = text(path=str(tmp_path / "words.csv"), tokens="character").facts
    assert facts.preprocessing["ngrams"] == 2 and read_back(facts).ngrams == 2
