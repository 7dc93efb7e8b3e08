"""Words and their neighbours: windows, subsampling, noise, and vectors that know what the sentences mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.data.samples.meanings import write_meanings
from dltrain.data.tokens import PADDING, SPECIAL, Vocabulary
from dltrain.errors import ConfigError, DataError
from dltrain.kinds.kind import kind_of
from dltrain.kinds.words.encoder import Method, Sentences, WordsEncoder, split_sentences
from dltrain.kinds.words.load import thinned, words
from dltrain.kinds.words.noise import NoiseWords
from dltrain.models.word2vec import Word2Vec
from dltrain.runs.folder import RunDir
from dltrain.tasks.similar_words import SimilarWords
from dltrain.types import Facts, Spec

LETTERS = Vocabulary("word", (*SPECIAL, *"abcde"))


def encoder(method: Method, window: int = 2) -> WordsEncoder:
    return WordsEncoder(LETTERS, (5, 4, 3, 2, 1), method, window, 3)


def spelled(around: torch.Tensor, word: torch.Tensor) -> list[tuple[str, str]]:
    return [
        ("".join(sorted(LETTERS.entries[number] for number in row if number)), LETTERS.entries[centre])
        for row, centre in zip(around.tolist(), word.tolist(), strict=True)
    ]


def test_a_word_has_the_words_of_its_own_sentence_around_it() -> None:
    sentences = encoder("cbow").number([[["a", "b", "c", "d"], ["e", "zzz", "a"], ["b"]]])
    assert spelled(*encoder("cbow").windows(sentences, None)) == [
        *(("bc", "a"), ("acd", "b"), ("abd", "c"), ("bc", "d")),
        *(("a", "e"), ("e", "a")),  # an unknown word between them is left out, and one alone has no neighbours
    ]
    pairs = spelled(*encoder("skipgram", 1).windows(sentences, None))
    assert sorted(pairs) == sorted([*zip("bacbdc", "abbccd", strict=True), ("a", "e"), ("e", "a")])


def test_near_words_count_more() -> None:
    long = Sentences(np.tile([3, 4, 5, 6, 7], 2000), np.zeros(10_000, dtype=np.int64))
    around, _ = encoder("cbow", 2).windows(long, np.random.default_rng(0))
    near = (around[:, :2] != PADDING).float().mean()
    far = (around[:, 2:] != PADDING).float().mean()
    assert float(near) == pytest.approx(1.0, abs=0.01)
    assert float(far) == pytest.approx(0.5, abs=0.02)


def test_frequent_words_are_read_less_often() -> None:
    counts = np.array([9900, 100])
    part = Sentences(np.repeat([3, 4], counts), np.zeros(10_000, dtype=np.int64))
    rest = np.bincount(thinned(part, counts, 0.001, np.random.default_rng(0)).words, minlength=5)
    assert rest[3] / 9900 == pytest.approx((0.001 / 0.99) ** 0.5 + 0.001 / 0.99, abs=0.01)
    assert rest[4] / 100 == pytest.approx((0.001 / 0.01) ** 0.5 + 0.001 / 0.01, abs=0.15)
    assert thinned(part, counts, 0.0, np.random.default_rng(0)) is part


def test_noise_follows_the_frequencies() -> None:
    noise, word = NoiseWords(20_000, (16, 1, 1)), torch.tensor([4, 3])
    around, candidates = noise((word[:, None], word), 0, 1, 2)
    drawn = candidates[0, 1:]
    assert torch.equal(candidates[:, 0], word) and torch.equal(around[:, 0], word)
    assert torch.equal(candidates[1, 1:], drawn)
    shares = torch.bincount(drawn, minlength=6).double() / len(drawn)
    assert float(shares[3]) == pytest.approx(16**0.75 / (16**0.75 + 2), abs=0.01)
    assert float(shares[5]) == pytest.approx(1 / (16**0.75 + 2), abs=0.01)
    assert torch.equal(noise((word[:, None], word), 0, 1, 2)[1], candidates)
    assert not torch.equal(noise((word[:, None], word), 0, 2, 2)[1], candidates)


def test_scores_are_products_of_the_mean_and_noise_that_is_the_word_itself_teaches_nothing() -> None:
    torch.manual_seed(0)
    model = Word2Vec(Spec("words", (2,), 1, vocab_sizes=(8,)), width=3)
    torch.nn.init.normal_(model.place.weight)
    around, word, noise = torch.tensor([[3, 4], [5, 0]]), torch.tensor([6, 7]), torch.tensor([7, 3])
    mean = torch.stack([model.vectors[[3, 4]].mean(dim=0), model.vectors[5]])
    expected = mean @ model.place.weight[noise].T
    expected[1, 0] = 0.0
    scores = model(around, torch.cat([word[:, None], noise.expand(2, 2)], dim=1))
    torch.testing.assert_close(scores[:, 1:], expected)
    torch.testing.assert_close(scores[:, :1], model(around, word))
    torch.testing.assert_close(scores[:, 0], (mean * model.place.weight[word]).sum(dim=1))
    scores[1, 1].backward()
    assert not model.place.weight.grad.any()  # type: ignore[union-attr]


def test_sentences_have_no_marks_and_no_numbers() -> None:
    assert split_sentences("The U.N. met. 30 People, in N'Djamena!\nAll went\nhome") == [
        ["the", "u"],
        ["n"],
        ["met"],
        ["people", "in", "n'djamena"],
        ["all", "went", "home"],
    ]


@pytest.mark.parametrize("method", ["skipgram", "cbow"])
def test_the_encoder_read_back_encodes_a_text_as_the_fitted_one(method: Method) -> None:
    data = words(rows=400, method=method)
    facts = Facts.from_json(json.loads(json.dumps(asdict(data.facts))))
    read = kind_of(facts).encoder(facts)
    assert isinstance(read, WordsEncoder)
    assert read.to_json() == {key: data.facts.preprocessing[key] for key in read.to_json()}
    encoded = read.encode(["the dog sleeps in the grass . the cat sleeps ."])
    assert len(encoded) == len(encoded.inputs[0]) == len(encoded.inputs[1]) > 5
    assert encoded.inputs[0].shape[1:] == data.facts.input_shape


def test_words_that_no_text_holds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two three four. " * 3 + "x" * 100)
    with pytest.raises(DataError, match="fewer than two words occur 50 times") as caught:
        words(path=str(tmp_path / "a.txt"), least=50, val_fraction=0, test_fraction=0)
    assert caught.value.override == "data.least=1"
    (tmp_path / "groups.txt").write_text("one two\nthree\n")
    with pytest.raises(DataError, match=r"line 2 of .* holds one word"):
        words(rows=400, groups=str(tmp_path / "groups.txt"))


def test_odd_ones_and_pairs_are_told_by_vectors_that_know_them() -> None:
    vocabulary = Vocabulary("word", (*SPECIAL, "a1", "a2", "a3", "b1", "b2", "b3"))
    first, second = torch.eye(4)[:1], torch.eye(4)[1:2]
    ways = torch.eye(4)[2:].repeat(2, 1)[:3] * 0.1
    ways[2] = torch.tensor([0.0, 0.0, -0.1, -0.1])
    vectors = torch.cat([torch.zeros(3, 4), first + ways, second + ways]).numpy()
    similar = SimilarWords(vocabulary, vectors)
    groups, pairs = [["a1", "a2", "a3"], ["b1", "b2", "b3"]], [["a1", "b1"], ["a2", "b2"], ["a3", "b3"]]
    assert similar.score_odd_ones(groups) == 1.0
    assert similar.score_pairs(pairs) == 1.0
    assert similar.score_pairs([["a1", "b2"], ["a2", "b3"], ["a3", "b1"]]) < 0.5  # type: ignore[operator]
    assert similar.score_odd_ones([["a1", "b1", "a2"], ["a3", "b2", "b3"]]) < 0.8  # type: ignore[operator]
    assert similar.score_odd_ones([["a1", "gone"]]) is None and similar.score_pairs([["a1", "gone"]]) is None
    with pytest.raises(ConfigError, match="'a9'"):
        similar.nearest(["a9"], 2)


def test_generated_sentences_are_random_and_hold_what_is_known_of_them() -> None:
    meanings, other = write_meanings(500, 0), write_meanings(500, 1)
    assert meanings == write_meanings(500, 0) and meanings.sentences != other.sentences
    text = " ".join(meanings.sentences).split()
    assert all(word in text for group in meanings.groups for word in group)
    assert all(word in text for pair in meanings.pairs for word in pair)


@pytest.mark.parametrize("method", ["skipgram", "cbow"])
def test_a_run_learns_what_its_words_mean(method: str, dltrain: Callable) -> None:
    called = dltrain(
        *("experiment=word2vec", f"data.method={method}", "data.rows=2500", "model.width=24", "trainer.epochs=10"),
        *("trainer.batch_size=256", "trainer.threads=1", "hydra.run.dir=run"),
    )
    assert called.code == 0, called.err
    assert called.result["test"]["odd_one_out"] > 0.9
    called = dltrain("predict", "run", "--likes", "Dog,cat", "--top", "3", "-o", "near.csv")
    assert called.code == 0, called.err
    near = pd.read_csv("near.csv")
    animals = set(write_meanings(2, 0).groups[0])
    assert set(near["word"]) & animals and (method == "cbow" or set(near["word"]) < animals)
    assert near["similarity"].is_monotonic_decreasing
    head, *lines = RunDir("run").vectors.read_text("utf-8").splitlines()
    assert head == f"{len(lines)} 24"
    assert all(len(line.split()) == 25 for line in lines)
    called = dltrain("predict", "run", "--everyone", "--top", "2", "-o", "all.csv")
    assert called.code == 0, called.err
    assert len(pd.read_csv("all.csv")) == 2 * len(lines)
    called = dltrain("predict", "run", "--likes", "dogg")
    assert called.code == 2 and "did you mean dog?" in called.err


def test_a_resumed_run_has_the_same_losses(dltrain: Callable) -> None:
    short = (
        *("experiment=word2vec", "data.rows=400", "model.width=8", "trainer.threads=1", "scheduler=constant"),
        *("trainer.save_epochs=1", "hydra.run.dir=run"),
    )
    assert dltrain(*short, "trainer.epochs=3", "hydra.run.dir=whole").code == 0
    assert dltrain(*short, "trainer.epochs=1").code == 0
    assert dltrain("resume", "run", "trainer.epochs=3").code == 0
    whole, resumed = ([row["train/loss"] for row in RunDir(run).read_history()] for run in ("whole", "run"))
    assert whole == resumed


def test_ones_own_groups_and_pairs_are_scored(dltrain: Callable, tmp_path: Path) -> None:
    meanings = write_meanings(800, 3)
    (tmp_path / "own.txt").write_text("\n".join(meanings.sentences))
    (tmp_path / "groups.txt").write_text("\n".join(map(" ".join, meanings.groups)))
    called = dltrain(
        *("experiment=word2vec", "data.path=own.txt", "data.groups=groups.txt", "debug=smoke", "model.width=8"),
    )
    assert called.code == 0, called.err
    assert 0 <= called.result["test"]["odd_one_out"] <= 1
    assert "word_pairs" not in called.result["test"]


def test_neighbours_are_averaged_alike_in_training_and_in_use() -> None:
    torch.manual_seed(0)
    model = Word2Vec(Spec("words", (4,), 1, vocab_sizes=(9,)), width=5)
    around = torch.tensor([[3, 0, 4, 0], [5, 6, 7, 8], [2, 0, 0, 0]])
    means = [model.train(training).average(around) for training in (True, False)]
    torch.testing.assert_close(*means)
    torch.testing.assert_close(means[0][0], model.vectors[[3, 4]].mean(dim=0))
