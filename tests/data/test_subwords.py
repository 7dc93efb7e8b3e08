"""Pieces of words: byte pairs that spell every text, and the pieces of a pretrained network's tokenizer."""

from __future__ import annotations

import json
import sys

import pytest

from dltrain.data.subwords import Subwords, learn_pieces
from dltrain.data.tokens import SPECIAL, UNKNOWN, Vocabulary, pad
from dltrain.errors import DataError

TEXTS = ["The low lower lowest, newest\n\tdef f(x):  return 文字 ☃", "the lowest newer low", "lower newest 文字"] * 3


@pytest.fixture(autouse=True)
def _needs_tokenizers(request: pytest.FixtureRequest) -> None:
    if "without" not in request.node.name:
        pytest.importorskip("tokenizers")


@pytest.fixture
def learned() -> Subwords:
    return learn_pieces(TEXTS, size=300, least=2, keeps_case=True)


@pytest.mark.parametrize("text", [TEXTS[0], "", "never seen: naïve 象 🙂\x00 ", " \n\n two  blanks "])
def test_pieces_spell_any_text_exactly(learned: Subwords, text: str) -> None:
    pieces, starts = learned.locate(text)
    numbers = learned.number(pieces).tolist()
    assert learned.spell(numbers) == text
    assert len(starts) == len(pieces) and UNKNOWN not in numbers
    assert sum(learned.lengths[number - len(SPECIAL)] for number in numbers) == len(text)
    assert starts == sorted(starts) and all(0 <= start < len(text) for start in starts)


def test_pieces_are_those_of_the_training_texts_the_most_frequent_first(learned: Subwords) -> None:
    assert len(learned.locate("lowest")[0]) < len("lowest")
    assert len(learned.words) <= 300
    counts = [sum(text.count(name) for text in TEXTS) for name in learned.names[:4]]
    assert min(counts) > 0
    assert learned == learn_pieces(TEXTS, size=300, least=2, keeps_case=True)
    assert Vocabulary.from_json(json.loads(json.dumps(learned.to_json()))) == learned


def test_classified_texts_have_no_case_and_begin_like_the_middle_of_a_sentence() -> None:
    vocabulary = learn_pieces(TEXTS, size=300, least=2, keeps_case=False)
    one, other, inner = vocabulary.split_texts(["LOWEST", "lowest", "a lowest"])
    assert one == other == inner[-len(one) :]


def test_an_end_is_a_blank_line_and_half_a_character_a_sign(learned: Subwords) -> None:
    snowman = [learned.entries.index(piece) for piece in "âĺĥ"]
    assert learned.spell(snowman) == "☃"
    assert learned.spell([*snowman[:1], 2]) == "\ufffd\n\n"


def bert_tokenizer() -> str:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "low", "##est", "film"]
    numbers = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=9)
    return str(tokenizer.to_str())


def test_a_networks_tokenizer_keeps_its_frame_when_a_text_is_cut() -> None:
    vocabulary = Subwords.of_network(bert_tokenizer())
    assert vocabulary.frame == (1, 1)
    assert vocabulary.unknown == 1
    texts = vocabulary.split_texts(["film film lowest film", "strange film", ""])
    padded = pad(texts, vocabulary, 4)
    start, end, film = (3 + number for number in (2, 3, 6))
    assert padded.tokens.tolist() == [[start, film, film, end], [start, UNKNOWN, film, end], [start, end, 0, 0]]
    assert padded.lengths.tolist() == [4, 4, 2]
    assert padded.empty.tolist() == [False, False, True]
    assert padded.cut.tolist() == [3, 0, 0]
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary


def test_what_is_no_tokenizer_is_refused() -> None:
    with pytest.raises(DataError, match="the tokenizer cannot be read"):
        Subwords.of_network('{"version": "1.0"}')


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(DataError, match="tokenizers, which reads and learns pieces of words") as caught:
        learn_pieces(TEXTS, size=300, least=2, keeps_case=True)
    assert "dltrain[bpe]" in caught.value.fix
    with pytest.raises(DataError) as caught:
        Subwords.of_network("{}")
    assert "dltrain[encoder]" in caught.value.fix
