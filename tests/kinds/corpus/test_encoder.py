"""The encoder of corpora: the same in training and afterwards, for files and for texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.errors import DataError
from dltrain.kinds.corpus import load
from dltrain.kinds.corpus.documents import Document
from dltrain.kinds.corpus.encoder import CorpusEncoder
from dltrain.kinds.corpus.load import corpus
from dltrain.kinds.kind import kind_of
from dltrain.types import Data, Facts, Split


def read_back(facts: Facts) -> CorpusEncoder:
    """Returns the encoder that facts.json holds."""
    encoder = kind_of(facts).encoder(Facts.from_json(json.loads(json.dumps(asdict(facts)))))
    assert isinstance(encoder, CorpusEncoder)
    return encoder


def same(one: Split, other: Split) -> bool:
    return (
        torch.equal(one.inputs[0], other.inputs[0]) and torch.equal(one.target, other.target) and one.ids == other.ids
    )


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """A text whose lines end as in Windows, and a held-out one beside it."""
    (tmp_path / "a.txt").write_bytes("".join(f"It is line {row % 9},  well.\r\n" for row in range(200)).encode())
    (tmp_path / "b.txt").write_bytes("".join(f"Another line {row % 5} ☃.\r\n" for row in range(40)).encode())
    return tmp_path


@pytest.fixture
def data(lines: Path) -> Data:
    return corpus(path=str(lines / "a.txt"), test_path=str(lines / "b.txt"), length=16, tokens="word")


@pytest.mark.parametrize("tokens", ["word", "character", "bpe"])
def test_the_fitted_encoder_and_the_one_read_back_encode_the_splits_of_the_training(
    lines: Path, tokens: load.UnitChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    if tokens == "bpe":
        pytest.importorskip("tokenizers")
    fitted: list[CorpusEncoder] = []
    read: list[Sequence[Document]] = []
    fit, read_documents = CorpusEncoder.fit, CorpusEncoder.read

    def collect(*arguments: object, **options: object) -> CorpusEncoder:
        fitted.append(fit(*arguments, **options))  # type: ignore[arg-type]
        return fitted[-1]

    def collect_documents(self: CorpusEncoder, documents: Sequence[Document]) -> object:
        read.append(documents)
        return read_documents(self, documents)

    monkeypatch.setattr(CorpusEncoder, "fit", collect)
    monkeypatch.setattr(CorpusEncoder, "read", collect_documents)
    data = corpus(path=str(lines / "a.txt"), test_path=str(lines / "b.txt"), length=16, tokens=tokens)
    monkeypatch.undo()
    encoders = [*fitted, read_back(data.facts)]
    assert encoders[0] == encoders[1]
    for encoder in encoders:
        train, val, test = read
        assert same(encoder.training_windows(encoder.read(train)), data.splits["train"])
        assert same(encoder.held_out_windows(encoder.read(val)), data.splits["val"])
        assert same(encoder.held_out_windows(encoder.read(test)), data.splits["test"])
        file = str(lines / "b.txt")
        assert torch.equal(encoder.encode([file]).inputs[0], data.splits["test"].inputs[0])
        assert torch.equal(encoder.targets([file]), data.splits["test"].target)


def test_a_text_is_encoded_as_the_file_that_holds_it(lines: Path, data: Data) -> None:
    encoder = read_back(data.facts)
    content = (lines / "b.txt").read_bytes().decode()
    as_text, as_file = encoder.encode([content]), encoder.encode([str(lines / "b.txt")])
    assert torch.equal(as_text.inputs[0], as_file.inputs[0])
    assert torch.equal(encoder.targets([content]), encoder.targets([lines / "b.txt"]))
    assert as_text.ids[:2] == ("text 0:0", "text 0:" + as_file.ids[1].rpartition(":")[2])
    assert as_text.remarks == as_file.remarks
    assert ["unknown tokens"] in [list(map(str, remarks)) for remarks in as_text.remarks]


def test_texts_are_encoded_each_for_itself(data: Data) -> None:
    encoder = read_back(data.facts)
    texts = ["It is line 3,", "It is", "It"]
    encoded, targets = encoder.encode(texts), encoder.targets(np.array(texts))
    assert encoded.ids == ("text 0:0", "text 1:0", "text 2:0")
    assert encoded.inputs[0].shape == targets.shape == (3, 5)  # as long as the longest text, padding behind the others
    for row, text in enumerate(texts):
        length = len(encoder.encode_prompt(text))
        alone, target = encoder.encode([text]), encoder.targets([text])
        assert torch.equal(alone.inputs[0][0], encoded.inputs[0][row, :length])
        assert torch.equal(target[0], targets[row, :length])
        assert not encoded.inputs[0][row, length:].any()
        assert encoder.vocabulary.spell(alone.inputs[0][0].tolist()) == text
    whole = encoder.encode(["It is line 3,  well. " * 20])
    assert whole.inputs[0].shape[1] == encoder.length


def test_what_is_no_text_is_refused(lines: Path, data: Data) -> None:
    encoder = read_back(data.facts)
    with pytest.raises(DataError, match="text 1 is empty"):
        encoder.encode(["It is", ""])
    for name in ("gone.txt", lines / "gone"):
        with pytest.raises(DataError, match="there is no file"):
            encoder.encode([name])
    with pytest.raises(DataError, match="'It is' is a text"):
        encoder.encode([str(lines / "a.txt"), "It is"])
    with pytest.raises(DataError, match="of type float"):
        encoder.encode(np.array([0.5]))
    with pytest.raises(DataError, match="DataFrame instead of text"):
        encoder.encode(pd.DataFrame({"text": ["It is"]}))
    assert len(encoder.encode(["see gone.txt"])) == 1


@pytest.mark.parametrize(
    "damage", [{"tokens": "sentence"}, {"vocabulary": ["a"]}, {"vocabulary": [1] * 3}, {"vocabulary": ...}]
)
def test_facts_that_do_not_say_how_texts_become_tokens_are_refused(data: Data, damage: dict[str, object]) -> None:
    facts = data.facts
    stored = {key: value for key, value in {**facts.preprocessing, **damage}.items() if value is not ...}
    with pytest.raises(DataError, match=r"facts\.json does not say how texts become tokens"):
        read_back(replace(facts, preprocessing=stored))
    with pytest.raises(DataError, match="how long a window is"):
        read_back(replace(facts, input_shape=()))
