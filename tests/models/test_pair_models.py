"""The two models of pairs: what they write step by step, and what padding changes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dltrain.errors import ConfigError
from dltrain.models.encoder_decoder import EncoderDecoder
from dltrain.models.gru_attention import GRUAttention
from dltrain.types import Spec

SPEC = Spec("pairs", (7, 5), 9, vocab_sizes=(11, 9), causal=True)
MODELS = (
    lambda: GRUAttention(SPEC, hidden=7, embedding=6, layers=2),
    lambda: EncoderDecoder(SPEC, width=16, layers=2, heads=2),
    lambda: EncoderDecoder(SPEC, width=16, layers=1, heads=4, tied=True),
)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return request.param().eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    source = torch.randint(3, 11, (4, 7), generator=generator)
    lengths = torch.tensor([7, 3, 1, 5])
    source[torch.arange(7) >= lengths[:, None]] = 0
    return source, lengths, torch.randint(3, 9, (4, 5), generator=generator)


def test_outputs_step_by_step_are_those_of_the_whole_answer(model: nn.Module) -> None:
    source, lengths, answer = inputs()
    whole = model(source, lengths, answer)
    state = model.begin(source, lengths)
    for at in range(answer.shape[1]):
        output, state = model.step(state, answer[:, at])
        torch.testing.assert_close(output, whole[:, at], rtol=1e-4, atol=1e-5)
        assert all(len(part) == len(source) for part in state)


def test_later_tokens_and_padding_change_no_output(model: nn.Module) -> None:
    source, lengths, answer = inputs()
    whole = model(source, lengths, answer)
    other = answer.clone()
    other[:, 3:] = 4
    torch.testing.assert_close(model(source, lengths, other)[:, :3], whole[:, :3])
    alone = model(source[1:2, :3], lengths[1:2], answer[1:2])
    torch.testing.assert_close(alone, whole[1:2], rtol=1e-4, atol=1e-5)


def test_every_token_of_the_source_matters(model: nn.Module) -> None:
    source, lengths, answer = inputs()
    whole = model(source, lengths, answer)
    for at in range(7):
        other = source.clone()
        other[0, at] = 3 + (int(other[0, at]) - 2) % 8
        assert not torch.allclose(model(other, lengths, answer)[0], whole[0])


def test_a_width_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        EncoderDecoder(SPEC, width=30, heads=4)
    assert refused.value.override == "model.width=32"
    EncoderDecoder(SPEC, width=32, heads=4)
