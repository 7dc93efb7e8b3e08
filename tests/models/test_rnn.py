"""The recurrent network against torch's own with packed sequences, and against the tutorial's written by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from dltrain.errors import ConfigError
from dltrain.models.rnn import RNN
from dltrain.types import Spec

TEXT = Spec("text", (9,), 3, vocab_sizes=(20,))
LENGTHS = torch.tensor([9, 1, 4, 7])
TORCH: dict[str, Any] = {"elman": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def tokens(*shape: int) -> torch.Tensor:
    drawn = torch.randint(1, 20, shape, generator=torch.Generator().manual_seed(0))
    return drawn.masked_fill(torch.arange(shape[1]) >= LENGTHS[: shape[0], None], 0)


def copy_layer(single: nn.Module, whole: nn.Module, suffix: str) -> None:
    for name, parameter in single.named_parameters():
        getattr(whole, name.removesuffix("_l0") + suffix).data.copy_(parameter.data)


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
def test_texts_are_read_as_torchs_own_reads_packed_sequences(cell: Any) -> None:
    torch.manual_seed(0)
    model = RNN(TEXT, cell, hidden=6, layers=2, bidirectional=True, pool="last", embedding=5).eval()
    whole = TORCH[cell](5, 6, num_layers=2, bidirectional=True, batch_first=True)
    for number, (forwards, backwards) in enumerate(zip(model.forwards, model.backwards, strict=True)):
        copy_layer(forwards, whole, f"_l{number}")
        copy_layer(backwards, whole, f"_l{number}_reverse")
    x = tokens(4, 9)
    packed = pack_padded_sequence(model.embed(x), LENGTHS, batch_first=True, enforce_sorted=False)
    read, state = whole(packed)
    hidden = state[0] if cell == "lstm" else state
    torch.testing.assert_close(model(x, LENGTHS), model.head(torch.cat([hidden[-2], hidden[-1]], dim=1)))

    steps, _ = pad_packed_sequence(read, batch_first=True)
    means = torch.stack([one[:length].mean(0) for one, length in zip(steps, LENGTHS, strict=True)])
    model.pool = RNN(TEXT, cell, pool="mean").pool
    torch.testing.assert_close(model(x, LENGTHS), model.head(means))


def test_the_sources_cell_is_the_tutorials_loop() -> None:
    torch.manual_seed(0)
    model = RNN(TEXT, "source", hidden=6, bidirectional=False, pool="last", embedding=None).eval()
    to_hidden, to_output = model.forwards[0].to_hidden, model.head
    word = [4, 7, 7, 12]
    hidden = torch.zeros(1, 6)
    for token in word:
        letter = torch.zeros(1, 20)
        letter[0, token] = 1
        together = torch.cat([letter, hidden], dim=1)
        hidden, output = to_hidden(together), to_output(together)
    said = model(torch.tensor([[*word, 0, 0]]), torch.tensor([4]))
    torch.testing.assert_close(said, output)
    assert (to_hidden.in_features, to_hidden.out_features) == (20 + 6, 6)
    assert (to_output.in_features, to_output.out_features) == (20 + 6, 3)


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru", "source"])
@pytest.mark.parametrize("pool", ["last", "mean", "max"])
@pytest.mark.parametrize("both", [True, False])
def test_padding_and_batch_mates_change_nothing(cell: Any, pool: Any, both: bool) -> None:
    torch.manual_seed(0)
    model = RNN(TEXT, cell, hidden=6, layers=2, bidirectional=both, pool=pool, embedding=5).eval()
    x = tokens(4, 9)
    together = model(x, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(x[row : row + 1, :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)
        torch.testing.assert_close(alone, model(x[row : row + 1, :length]))  # without a length, all of it is real


def test_nothing_comes_through_from_later_positions() -> None:
    spec = Spec("corpus", (9,), 20, vocab_sizes=(20,), causal=True)
    for cell in ("elman", "lstm", "gru", "source"):
        model = RNN(spec, cell, hidden=6, layers=2, embedding=5).eval()
        vectors = model.embed(tokens(1, 9)).detach().requires_grad_()
        model.embed.forward = lambda x: x
        output = model(vectors)
        assert output.shape == (1, 9, 20)
        (gradient,) = torch.autograd.grad(output[0, 4].sum(), vectors)
        reached = gradient[0].abs().sum(dim=1) > 0
        assert reached.tolist() == [True] * 5 + [False] * 4
        del model.embed.forward


def test_reading_from_both_ends_is_refused_where_the_next_token_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="reads the tokens that it must predict") as refused:
        RNN(Spec("corpus", (9,), 20, vocab_sizes=(20,), causal=True), bidirectional=True)
    assert refused.value.override == "model.bidirectional=false"


@pytest.mark.parametrize("cell", ["lstm", "source"])
def test_series_are_read_by_steps_and_images_by_rows(cell: Any) -> None:
    series = RNN(Spec("series", (12, 2), 4), cell, hidden=6)
    assert series(torch.randn(3, 12, 2)).shape == (3, 4)
    image = RNN(Spec("image", (3, 8, 5), 4), cell, hidden=6).eval()
    x = torch.randn(2, 3, 8, 5)
    assert image(x).shape == (2, 4)
    read = image.forwards[0](torch.stack([x[:, :, row].flatten(1) for row in range(8)], dim=1))[0]
    torch.testing.assert_close(image(x), image.head(read[:, -1]))


def test_embeddings_and_biases_do_not_decay() -> None:
    model = RNN(TEXT, "lstm", hidden=6)
    assert {"embed.table.weight", "head.bias", "forwards.0.bias_ih_l0"} <= model.no_decay
    assert not model.no_decay & {"head.weight", "forwards.0.weight_hh_l0"}
