"""The task of the next token, and what a model writes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from dltrain.data.tokens import PADDING
from dltrain.errors import ConfigError
from dltrain.experiment.build import build_loss, build_task
from dltrain.kinds.corpus.generate import draw, generate
from dltrain.tasks.losses import CrossEntropy
from dltrain.tasks.next_token import NextToken, bits_of_each, losses_of
from dltrain.types import Facts

FACTS = Facts(
    "corpus",
    "next_token",
    (4,),
    vocab_sizes=(6,),
    preprocessing={"tokens": "word", "vocabulary": ["a", " bc", "def"], "length": 4},
)
OUTPUT = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0))
TARGET = torch.tensor([[3, 4, 5, 1], [-100, -100, 4, 2], [5, -100, -100, -100]])


def test_the_loss_and_the_perplexity_count_what_is_asked_for() -> None:
    task = NextToken(FACTS, build_loss({}, FACTS))
    logs = OUTPUT.log_softmax(dim=2)
    losses = [-float(logs[b, t, TARGET[b, t]]) for b in range(3) for t in range(4) if TARGET[b, t] >= 0]
    assert float(task.objective(OUTPUT, TARGET)) == pytest.approx(sum(losses) / 7)
    assert float(task.loss.weight(TARGET)) == 7
    metrics = task.metric.compute(task.metric.update(task.decode(OUTPUT), TARGET))
    assert metrics["perplexity"] == pytest.approx(math.exp(sum(losses) / 7))
    letters = 1 + 3 + 3 + 1 + 3 + 1 + 3
    assert metrics["bits_per_character"] == pytest.approx(sum(losses) / math.log(2) / letters)
    given = task.metric.compute(task.metric.update(losses_of(OUTPUT, TARGET), TARGET))
    assert given == pytest.approx(metrics)
    bits, each = bits_of_each(TARGET, losses_of(OUTPUT, TARGET), task.characters)
    assert each.tolist() == [8, 4, 3]
    assert float(bits.sum()) == pytest.approx(sum(losses) / math.log(2))


def test_the_default_loss_is_cross_entropy_as_wide_as_the_vocabulary() -> None:
    loss = build_loss({}, FACTS)
    assert isinstance(loss, CrossEntropy)
    assert loss.out_features == 6
    smooth = CrossEntropy(FACTS, label_smoothing=0.1)
    expected = functional.cross_entropy(OUTPUT[0], TARGET[0], label_smoothing=0.1)
    assert float(build_task(FACTS, smooth).objective(OUTPUT[:1], TARGET[:1])) == pytest.approx(float(expected))
    with pytest.raises(ConfigError, match="class weights do not work"):
        CrossEntropy(FACTS, class_weights="balanced")


def test_padding_is_followed_by_nothing() -> None:
    task = NextToken(FACTS, build_loss({}, FACTS))
    output = functional.one_hot(torch.tensor([[3, 4, 5, 4], [5, 5, 5, 5]]), 6).float()
    inputs = torch.tensor([[3, 3, PADDING, PADDING], [3, 4, 5, 3]])
    assert task.columns(task.predict(output), (inputs,)) == {"predicted": ["a bc", "defdefdefdef"]}
    assert task.agrees(task.deploy(output), task.predict(output))


class Counting(nn.Module):
    """Expects the token after the last one, and says how much it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[int] = []

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        self.seen.append(tokens.shape[1])
        return 20.0 * functional.one_hot((tokens + 1) % 6, 6).float()


def test_what_is_written_follows_the_prompt_within_the_window() -> None:
    model = Counting()
    assert list(generate(model, [3, 4], 3, window=3, temperature=0)) == [5, 2, 3]  # never padding nor the unknown token
    assert model.seen == [2, 3, 3]
    written = [list(generate(model, [3], 8, window=3, temperature=5.0, seed=seed)) for seed in (0, 0, 1)]
    assert written[0] == written[1] != written[2]


def test_draws_follow_the_temperature_and_the_top() -> None:
    logits = torch.tensor([50.0, 50.0, 0.0, 1.0, 2.0, 3.0])
    generator = torch.Generator().manual_seed(0)
    drawn = [draw(logits, 1.0, None, None, generator) for _ in range(3000)]
    share = drawn.count(5) / 3000
    assert share == pytest.approx(float(logits[2:].softmax(0)[3]), abs=0.03)
    assert not {0, 1} & set(drawn)
    assert {draw(logits, 1.0, 2, None, generator) for _ in range(200)} == {4, 5}
    assert draw(logits, 1e-30, None, None, generator) == draw(logits, 0, None, None, generator) == 5
