"""Samples along training: when they are written, and what a resumed run keeps of them; text that is continued."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from dltrain.experiment.build import build_task
from dltrain.kinds.corpus.encoder import CorpusEncoder
from dltrain.kinds.corpus.generate import TextGenerator, draw
from dltrain.kinds.corpus.sampling import Samples
from dltrain.models.rnn import RNN
from dltrain.runs.folder import RunDir
from dltrain.tasks.registry import task_class
from dltrain.types import Facts, Spec

FACTS = Facts(
    "corpus",
    "next_token",
    (8,),
    vocab_sizes=(7,),
    preprocessing={"tokens": "character", "vocabulary": list("abc "), "length": 8},
)
ENCODER = CorpusEncoder.of(FACTS)


def model() -> RNN:
    torch.manual_seed(0)
    width = build_task(FACTS, task_class(FACTS.task).default_loss(FACTS)).loss.out_features
    return RNN(Spec("corpus", (8,), width, vocab_sizes=(7,), causal=True), hidden=4, embedding=4).eval()


def read(folder: Path) -> list[list[str]]:
    with (folder / "samples.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_samples_are_few_and_a_resumed_run_writes_the_same(tmp_path: Path) -> None:
    whole = Samples(RunDir(tmp_path), ENCODER, 20)
    network = model()
    before = torch.get_rng_state()
    network.train()
    for epoch in range(1, 21):
        whole.after_epoch(epoch, network, last=epoch == 20)
    assert network.training
    assert torch.equal(torch.get_rng_state(), before)
    written = read(tmp_path)
    assert [row[0] for row in written] == ["epoch", "3", "6", "9", "12", "15", "18", "20"]
    assert 160 <= len(written[1][1]) <= 320  # an end of a document is two characters

    resumed = Samples(RunDir(tmp_path), ENCODER, 20, keep=10)
    for epoch in range(11, 21):
        resumed.after_epoch(epoch, network, last=epoch == 20)
    assert read(tmp_path) == written


def test_a_prompt_may_be_empty_or_hold_what_the_model_does_not_know() -> None:
    generator = TextGenerator(model(), ENCODER)
    assert ENCODER.unknown_tokens("abz!z") == ["z", "!"]
    for prompt in ("", "ab", "zzz"):
        written = generator.continue_text(prompt, 6, temperature=0)
        assert set(written) <= set("abc \n")
        assert written == generator.continue_text(prompt, 6, top_k=1, seed=5)
        assert written == generator.continue_text(prompt, 6, top_p=1e-6, seed=5)


def test_text_is_written_as_it_is_drawn() -> None:
    parts: list[str] = []
    text = TextGenerator(model(), ENCODER).continue_text("ab", 30, temperature=2.0, written=parts.append)
    assert len(parts) == 30 and "".join(parts) == text


def test_a_character_of_several_pieces_is_written_when_it_is_whole() -> None:
    pytest.importorskip("tokenizers")
    encoder = CorpusEncoder.fit(["猫と犬 abc"] * 3, tokens="bpe", length=8, size=256, least=9)
    tokens = encoder.encode_prompt("a猫b")
    assert len(tokens) == 5  # three bytes of one character
    assert list(TextGenerator(model(), encoder)._parts(tokens)) == ["a", "猫", "b"]


@pytest.mark.parametrize(
    ("top_p", "drawn"), [(0.3, {3}), (0.5, {3}), (0.51, {3, 5}), (0.81, {3, 4, 5}), (1.0, {3, 4, 5, 6})]
)
def test_the_likeliest_tokens_of_a_probability_together_are_drawn(top_p: float, drawn: set[int]) -> None:
    logits = torch.tensor([0.9, 0.9, 1e-9, 0.5, 0.15, 0.3, 0.05]).log()
    random = torch.Generator().manual_seed(0)
    tokens = [draw(logits, 1.0, None, top_p, random) for _ in range(400)]
    assert set(tokens) == drawn
    share = tokens.count(3) / len(tokens)
    assert share == pytest.approx(0.5 / logits.exp()[list(drawn)].sum().item(), abs=0.08)
