"""The transformer against torch's own encoder, and what its masks let through."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from dltrain.errors import ConfigError
from dltrain.models.transformer import Block, Transformer, angles, rotate, sinusoids
from dltrain.types import Spec

TEXT = Spec("text", (9,), 3, vocab_sizes=(20,))
LENGTHS = torch.tensor([9, 1, 4, 7])
POSITIONS = ["sinusoidal", "learned", "rotary"]


def tokens(*shape: int) -> torch.Tensor:
    drawn = torch.randint(1, 20, shape, generator=torch.Generator().manual_seed(0))
    return drawn.masked_fill(torch.arange(shape[1]) >= LENGTHS[: shape[0], None], 0)


def copy_block(block: nn.Module, layer: nn.TransformerEncoderLayer) -> None:
    pairs = [
        (block.attention_norm, layer.norm1),
        (block.feedforward_norm, layer.norm2),
        (block.joined, layer.self_attn.out_proj),
        (block.feedforward[0], layer.linear1),
        (block.feedforward[3], layer.linear2),
    ]
    for ours, theirs in pairs:
        theirs.load_state_dict(ours.state_dict())
    layer.self_attn.in_proj_weight.data.copy_(block.query_key_value.weight)
    layer.self_attn.in_proj_bias.data.copy_(block.query_key_value.bias)


@pytest.mark.parametrize("causal", [True, False])
def test_blocks_are_torchs_own_encoder_with_the_same_weights(causal: bool) -> None:
    torch.manual_seed(0)
    spec = Spec("corpus", (9,), 20, vocab_sizes=(20,), causal=True) if causal else TEXT
    model = Transformer(spec, width=8, layers=2, heads=2, positions="sinusoidal").eval()
    layer = nn.TransformerEncoderLayer(8, 2, 32, activation="gelu", batch_first=True, norm_first=True)
    whole = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    for block, theirs in zip(model.blocks, whole.layers, strict=True):
        copy_block(block, theirs)
    x = tokens(4, 9)
    vectors = model.tokens(x)
    vectors = vectors + sinusoids(9, 8, vectors)
    if causal:
        steps = whole(vectors, mask=nn.Transformer.generate_square_subsequent_mask(9), is_causal=True)
        torch.testing.assert_close(model(x), model.head(model.norm(steps)))
        return
    steps = model.norm(whole(vectors, src_key_padding_mask=x == 0))
    means = torch.stack([one[:length].mean(0) for one, length in zip(steps, LENGTHS, strict=True)])
    torch.testing.assert_close(model(x, LENGTHS), model.head(means))


@pytest.mark.parametrize("positions", POSITIONS)
def test_padding_and_batch_mates_change_nothing(positions: Any) -> None:
    torch.manual_seed(0)
    model = Transformer(TEXT, width=8, heads=2, positions=positions).eval()
    x = tokens(4, 9)
    together = model(x, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(x[row : row + 1, :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)
        torch.testing.assert_close(alone, model(x[row : row + 1, :length]))


@pytest.mark.parametrize("positions", POSITIONS)
def test_nothing_comes_through_from_later_positions(positions: Any) -> None:
    spec = Spec("corpus", (9,), 20, vocab_sizes=(20,), causal=True)
    model = Transformer(spec, width=8, heads=2, positions=positions).eval()
    vectors = model.tokens(tokens(1, 9)).detach().requires_grad_()
    model.tokens.forward = lambda x: x
    output = model(vectors)
    assert output.shape == (1, 9, 20)
    for position in range(9):
        (gradient,) = torch.autograd.grad(output[0, position].sum(), vectors, retain_graph=True)
        reached = gradient[0].abs().sum(dim=1) > 0
        assert reached.tolist() == [True] * (position + 1) + [False] * (8 - position)


@pytest.mark.parametrize("positions", POSITIONS)
def test_the_order_of_words_matters(positions: Any) -> None:
    model = Transformer(TEXT, width=8, heads=2, positions=positions).eval()
    x = tokens(1, 9)
    assert not torch.allclose(model(x), model(x.flip(1)), atol=1e-4)


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(8), torch.randn(8)
    rotation = angles(12, 8, query)
    turned = [rotate(x.expand(1, 1, 12, 8), rotation)[0, 0] for x in (query, key)]
    scores = turned[0] @ turned[1].T
    torch.testing.assert_close(scores[2, 0], scores[11, 9])
    torch.testing.assert_close(scores[3, 7], scores[5, 9])
    torch.testing.assert_close(scores[4, 4], query @ key)


def test_sinusoids_begin_as_in_the_paper() -> None:
    vectors = sinusoids(3, 4, torch.zeros(1))
    expected = torch.tensor([[1.0, 0.01], [2.0, 0.02]])
    torch.testing.assert_close(vectors[0], torch.tensor([0.0, 0.0, 1.0, 1.0]))
    torch.testing.assert_close(vectors[1:, :2], expected.sin())
    torch.testing.assert_close(vectors[1:, 2:], expected.cos())


def test_a_patch_of_an_image_and_a_step_of_a_series_are_a_token() -> None:
    model = Transformer(Spec("image", (3, 20, 26), 4), width=8, heads=2, positions="learned")
    assert model.tokens.side == 2
    assert model.tokens(torch.randn(2, 3, 20, 26)).shape == (2, 10 * 13, 8)
    assert model(torch.randn(2, 3, 20, 26)).shape == (2, 4)
    ragged = Transformer(Spec("image", (1, 7, 5), 4), width=8, heads=2, positions="learned", patch=4)
    assert ragged(torch.randn(2, 1, 7, 5)).shape == (2, 4)
    assert ragged.learned.shape == (2 * 2, 8)
    series = Transformer(Spec("series", (12, 2), 5), width=8, heads=2)
    assert series(torch.randn(3, 12, 2)).shape == (3, 5)


@pytest.mark.parametrize("bins", [(), ((0.0, 1.0, 3.0), (), (-1.0, 2.0))])
def test_each_feature_of_a_table_is_a_token_of_its_own(bins: Any) -> None:
    model = Transformer(Spec("table", (3,), 2, bins=bins), width=8, heads=2).eval()
    x = torch.randn(5, 3)
    vectors = model.tokens(x)
    assert vectors.shape == (5, 3, 8)
    moved = x.clone()
    moved[:, 1] += 1
    changed = (model.tokens(moved) - vectors).abs().sum(dim=(0, 2)) > 0
    assert changed.sum() == 1
    assert model(x).shape == (5, 2)


def test_a_block_reads_the_last_position_alone_as_it_reads_all() -> None:
    torch.manual_seed(0)
    block, x = Block(8, 2, 16, 0.1).eval(), torch.randn(3, 5, 8)
    read = (torch.rand(3, 5) > 0.4)[:, None, None] | torch.eye(5, dtype=torch.bool)
    whole = block(x, read & torch.ones(5, 5, dtype=torch.bool).tril(), False, None)
    torch.testing.assert_close(block.read_last(x, read[:, :, -1:]), whole[:, -1:])


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ConfigError) as refused:
        Transformer(TEXT, width=30, heads=4)
    assert refused.value.override == "model.width=32"
