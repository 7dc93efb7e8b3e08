"""Tokens and vocabularies."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dltrain.data.tokens import END, UNKNOWN, Vocabulary, choose_tokens, pad, split_pieces, split_text


def test_words_keep_their_apostrophes_and_chinese_is_read_by_the_character() -> None:
    assert split_text("Don't  STOP, it’s ＡＢＣ!", "word") == ["don't", "stop", ",", "it’s", "abc", "!"]
    assert split_text("ok，不好看 12元", "word") == ["ok", ",", "不", "好", "看", "12", "元"]
    assert split_text(" 不 好\n看 ", "character") == ["不", " ", "好", " ", "看"]
    assert split_text(" \t", "word") == split_text("", "character") == []


def test_the_script_decides() -> None:
    assert choose_tokens(["这部电影 very good 很好看，推荐大家去看"]) == "character"
    assert choose_tokens(["a film about 北京"]) == "word"
    assert choose_tokens(["映画はとても面白かった"]) == "character"
    assert choose_tokens(["очень хороший фильм", "정말 재미있는 영화"]) == "word"
    assert choose_tokens(["123 !!", ""]) == "word"


@given(st.text())
def test_pieces_are_the_text_again(text: str) -> None:
    assert "".join(split_pieces(text, "word")) == text
    assert "".join(split_pieces(text, "character")) == text


def test_the_most_frequent_tokens_are_learned_and_survive_json() -> None:
    texts = [["b", "a", "c"], ["a", "b"], ["a", "d", "d"]]
    vocabulary = Vocabulary.learn(texts, "word", size=3, least=2)
    assert vocabulary.entries[3:] == ("a", "b", "d")
    assert Vocabulary.learn(reversed(texts), "word", size=2, least=1).entries[3:] == ("a", "b")
    assert Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json()))) == vocabulary
    assert vocabulary.number(["d", "x", "a"]).tolist() == [5, UNKNOWN, 3]
    assert vocabulary.spell([3, UNKNOWN, 4, END]) == "a\ufffdb\n\n"


def test_texts_are_cut_and_filled_and_an_empty_one_is_unknown() -> None:
    vocabulary = Vocabulary("word", ("<padding>", "<unknown>", "<end>", "a", "b"))
    padded = pad([["a", "x", "b", "a"], [], ["b"]], vocabulary, 3)
    assert padded.tokens.tolist() == [[3, 1, 4], [1, 0, 0], [4, 0, 0]]
    assert padded.lengths.tolist() == [3, 1, 1]
    assert padded.cut.tolist() == [1, 0, 0]
    assert padded.empty.tolist() == [False, True, False]
    assert padded.unknown.tolist() == [1, 0, 0]
    assert padded.tokens.dtype == np.int64
