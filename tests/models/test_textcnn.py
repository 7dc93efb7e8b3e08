"""The convolutional network over words and the bag of embeddings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from dltrain.kinds.joined_columns import FEATURES, WithColumns
from dltrain.models.bag import Bag
from dltrain.models.layers.sequences import BUCKETS, TokenEmbedding, ngram_buckets
from dltrain.models.textcnn import TextCNN
from dltrain.types import Spec

SPEC = Spec("text", (9,), 3, vocab_sizes=(20,))
LENGTHS = torch.tensor([9, 1, 4, 7])


def tokens() -> torch.Tensor:
    drawn = torch.randint(1, 20, (4, 9), generator=torch.Generator().manual_seed(0))
    return drawn.masked_fill(torch.arange(9) >= LENGTHS[:, None], 0)


@pytest.mark.parametrize("ngrams", [1, 2])
@pytest.mark.parametrize("family", [TextCNN, Bag])
def test_padding_and_batch_mates_change_nothing(family: Any, ngrams: int) -> None:
    torch.manual_seed(0)
    model = family(replace(SPEC, ngrams=ngrams)).eval()
    x = tokens()
    together = model(x, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(x[row : row + 1, :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)
        torch.testing.assert_close(alone, model(x[row : row + 1, :length]))


def test_a_filter_sees_every_run_of_words_and_those_that_begin_or_end_the_text() -> None:
    torch.manual_seed(0)
    model = TextCNN(SPEC, kernel_sizes=(3,), filters=2, embedding=4).eval()
    words = torch.tensor([[5, 9]])
    (convolution,) = model.convolutions
    zero = torch.zeros(1, 2, 4)
    padded = torch.cat([zero, model.embed.table(words), zero], dim=1)[0]  # (6, embedding)
    runs = [(convolution.weight * padded[start : start + 3].T).sum((1, 2)) + convolution.bias for start in range(4)]
    torch.testing.assert_close(model(words), model.head(torch.stack(runs).relu().amax(0))[None])


def test_a_bag_is_the_sum_of_its_words_in_any_order() -> None:
    model = Bag(SPEC, embedding=4).eval()
    words = torch.tensor([[5, 9, 2]])
    expected = model.head(model.embed.table.weight[[5, 9, 2]].sum(0) / 3**0.5)
    torch.testing.assert_close(model(words)[0], expected)
    torch.testing.assert_close(model(words.flip(1))[0], expected)


def test_the_vector_of_padding_is_zero_and_learns_nothing() -> None:
    model = Bag(SPEC, embedding=4)
    functional.cross_entropy(model(tokens(), LENGTHS), torch.zeros(4, dtype=torch.int64)).backward()
    assert not model.embed.table.weight[0].any()
    assert not model.embed.table.weight.grad[0].any()


def test_a_token_is_looked_up_with_those_before_it() -> None:
    x = torch.tensor([[7, 3, 7, 3, 5], [2, 3, 7, 3, 5]])
    pairs, triples = ngram_buckets(x, 3)
    assert pairs[0, 1] == pairs[0, 3] == pairs[1, 3]
    assert pairs[0, 2] != pairs[0, 3]
    assert triples[0, 3] == triples[1, 3] != triples[0, 1]
    assert int(pairs.max()) < BUCKETS <= int(triples.min())
    embedding = TokenEmbedding(20, 4, ngrams=3)
    rows = [int(pairs[0, 1]), int(triples[0, 1])]
    vector = embedding.table.weight[3] + embedding.ngrams.weight[rows].sum(0)
    torch.testing.assert_close(embedding(x)[0, 1], vector)


def test_a_bag_beside_the_network_is_a_second_member_with_vectors_of_its_own() -> None:
    torch.manual_seed(0)
    model = TextCNN(SPEC, bag=True).eval()
    output = model(tokens(), LENGTHS)
    assert output.shape == (4, model.members, 3) == (4, 2, 3)
    torch.testing.assert_close(output[:, 1], model.bag(tokens(), LENGTHS))
    assert {"embed.table.weight", "bag.embed.table.weight"} <= model.no_decay
    joined = WithColumns(TextCNN(replace(SPEC, out_features=FEATURES), bag=True), 2, 3)
    assert joined(tokens(), LENGTHS, torch.randn(4, 2)).shape == (4, 3)


def test_a_bag_adds_the_vectors_of_pairs_where_the_data_asks_for_them() -> None:
    torch.manual_seed(0)
    model = Bag(replace(SPEC, ngrams=2), embedding=4).eval()
    assert model.embed.ngrams is not None and Bag(SPEC, embedding=4).embed.ngrams is None
    words = torch.tensor([[5, 9, 2]])
    pairs = ngram_buckets(words, 2, model.embed.buckets)[0, 0]
    vectors = model.embed.table.weight[words[0]] + model.embed.ngrams.weight[pairs]
    torch.testing.assert_close(model(words)[0], model.head(vectors.sum(0) / 3**0.5))
    assert not torch.allclose(model(words.flip(1)), model(words))
    assert Bag(replace(SPEC, ngrams=2), embedding=4, ngrams=1).embed.ngrams is None


def test_a_bag_beside_the_network_takes_the_given_width_with_pairs_too() -> None:
    of_pairs = replace(SPEC, ngrams=2)
    for width, of_bag in ((16, 16), (64, 64), (128, 32)):
        bag = TextCNN(of_pairs, embedding=width, bag=True).bag
        assert bag is not None and bag.head.in_features == of_bag
