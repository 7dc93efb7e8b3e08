"""Answers: how they are written, measured and compared."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dltrain.data.loader import TensorLoader
from dltrain.data.tokens import END, IGNORED, PADDING, UNKNOWN
from dltrain.errors import ConfigError
from dltrain.kinds.pairs.encoder import PairsEncoder, trim
from dltrain.models.gru_attention import GRUAttention
from dltrain.tasks.comparison import Baseline, Contest
from dltrain.tasks.decoding import write_answers
from dltrain.tasks.edit_distance import edit_distances
from dltrain.tasks.evaluation import EvaluationSet
from dltrain.tasks.generation import Generation
from dltrain.tasks.predictions import Predictions
from dltrain.types import Facts, Spec, Split

SOURCES = ["ab", "ba", "aab", "b", "abab", "bb", "baa", "a"]
ANSWERS = ["x", "yx", "xxy", "y", "xyxy", "yy", "yxx", "z"]


def encoder_of(answers: list[str] = ANSWERS) -> PairsEncoder:
    return PairsEncoder.fit(
        SOURCES, answers, tokens="character", length=None, size=100, least=1, text="source", target="answer"
    )


def task_of(encoder: PairsEncoder) -> Generation:
    facts = Facts(
        "pairs", "generation", encoder.input_shape, "answer",
        vocab_sizes=encoder.vocab_sizes, preprocessing=encoder.to_json(),
    )  # fmt: skip
    return Generation(facts, Generation.default_loss(facts))


def split_of(encoder: PairsEncoder, answers: list[str] = ANSWERS) -> Split:
    padded = encoder.encode_sources(SOURCES)
    beginnings, target = encoder.encode_answers(answers)
    inputs = (torch.from_numpy(padded.tokens), torch.from_numpy(padded.lengths), beginnings)
    return Split(inputs, target, tuple(map(str, range(len(SOURCES)))), tuple(SOURCES))


def trained(encoder: PairsEncoder, steps: int) -> GRUAttention:
    torch.manual_seed(0)
    spec = Spec("pairs", encoder.input_shape, encoder.vocab_sizes[1], encoder.vocab_sizes, causal=True)
    model = GRUAttention(spec, hidden=16, embedding=8, dropout=0.0)
    task, split = task_of(encoder), split_of(encoder)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        task.objective(model(*split.inputs), split.target).backward()
        optimizer.step()
    return model.eval()


def test_the_distance_of_texts_is_the_least_number_of_changes() -> None:
    def plain(a: str, b: str) -> int:
        table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
        table[:, 0], table[0] = range(len(a) + 1), range(len(b) + 1)
        for i, j in itertools.product(range(1, len(a) + 1), range(1, len(b) + 1)):
            changed = table[i - 1, j - 1] + (a[i - 1] != b[j - 1])
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, changed)
        return int(table[-1, -1])

    random = np.random.default_rng(0)
    texts = ["".join(random.choice(list("abc"), random.integers(0, 7))) for _ in range(300)]
    others = ["".join(random.choice(list("abc"), random.integers(0, 7))) for _ in range(300)]
    assert edit_distances(texts, others).tolist() == list(map(plain, texts, others))
    assert edit_distances(["你好"], ["您好吗"]).tolist() == [2]
    assert edit_distances([], []).tolist() == []


@pytest.mark.parametrize("steps", [0, 20, 120])
def test_exact_after_true_beginnings_is_exact_of_what_is_written(steps: int) -> None:
    encoder = encoder_of()
    model, task, split = trained(encoder, steps), task_of(encoder), split_of(encoder)
    loader = TensorLoader(split, 3, torch.device("cpu"), prepare=trim)
    quick, _ = task.evaluate(model, EvaluationSet(loader, split, {}, thorough=False))
    whole, predictions = task.evaluate(model, EvaluationSet(loader, split, {}))
    assert whole["exact"] == quick["exact"]
    written = task.spell(predictions.values)
    assert whole["exact"] == np.mean([mine == true for mine, true in zip(written, ANSWERS, strict=True)])
    assert whole["exact"] == (1.0 if steps == 120 else whole["exact"])
    assert whole["exact"] < 1.0 or steps
    edits = edit_distances(written, ANSWERS).sum() / sum(map(len, ANSWERS))
    assert whole["character_error_rate"] == pytest.approx(edits)


def test_the_loss_is_that_of_the_answers_tokens_alone() -> None:
    encoder = encoder_of()
    model, task, split = trained(encoder, 5), task_of(encoder), split_of(encoder)
    output = model(*split.inputs).detach()
    total, count = 0.0, 0
    for row, answer in enumerate(ANSWERS):
        numbers = [*encoder.answer.number(list(answer)).tolist(), END]
        total -= sum(float(output[row, at].log_softmax(0)[number]) for at, number in enumerate(numbers))
        count += len(numbers)
    assert float(task.objective(output, split.target)) == pytest.approx(total / count, rel=1e-5)
    trimmed = model(*trim(tuple(tensor[:1] for tensor in split.inputs))).detach()
    assert trimmed.shape[1] == 2
    alone = task.objective(trimmed, split.target[:1])
    assert float(alone) == pytest.approx(float(task.objective(output[:1], split.target[:1])), rel=1e-4)


class Table(nn.Module):
    """Gives the outputs for a token that follows a beginning from a table; the source does not matter."""

    def __init__(self, size: int, longest: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.outputs = nn.Parameter(3 * torch.randn((size,) * longest + (size,), generator=generator))
        self.longest = longest

    def forward(self, source: Tensor, lengths: Tensor, answer: Tensor) -> Tensor:
        rows = []
        for beginning in answer:
            parts = [beginning[:at] for at in range(1, len(beginning) + 1)]
            filled = [torch.cat([part, part.new_zeros(self.longest - len(part))]) for part in parts]
            rows.append(torch.stack([self.outputs[tuple(part.tolist())] for part in filled]))
        return torch.stack(rows)


def probability(model: Table, tokens: tuple[int, ...]) -> float:
    total = 0.0
    for at, token in enumerate(tokens):
        beginning = torch.tensor([[END, *tokens[:at]]])
        output = model(beginning, torch.ones(1), beginning)[0, -1].clone()
        output[[PADDING, UNKNOWN]] = -torch.inf
        total += float(output.log_softmax(0)[token].detach())
    return total


@pytest.mark.parametrize("seed", range(5))
def test_a_search_wide_enough_finds_the_likeliest_of_all_answers(seed: int) -> None:
    model, longest = Table(5, 3, seed), 3
    sayable = [token for token in range(5) if token not in (PADDING, UNKNOWN, END)]
    answers = [(*middle, END) for size in range(longest) for middle in itertools.product(sayable, repeat=size)]
    answers += list(itertools.product(sayable, repeat=longest))  # cut off
    best = max(answers, key=lambda tokens: probability(model, tokens))
    source = torch.full((2, 1), 3)
    found = write_answers(model, source, torch.ones(2, dtype=torch.long), longest, beams=30)
    for row in range(2):
        assert tuple(token for token in found.tokens[row].tolist() if token != PADDING) == best
        assert -float(found.losses[row].sum()) == pytest.approx(probability(model, best), rel=1e-4)
    greedy = write_answers(model, source, torch.ones(2, dtype=torch.long), longest)
    one = tuple(token for token in greedy.tokens[0].tolist() if token != PADDING)
    assert -float(greedy.losses[0].sum()) == pytest.approx(probability(model, one), rel=1e-4)
    assert float(greedy.losses[0].sum()) >= float(found.losses[0].sum()) - 1e-5


def test_a_search_with_a_trained_model_is_the_same_in_a_batch_and_alone() -> None:
    encoder = encoder_of()
    model, task, split = trained(encoder, 25), task_of(encoder).with_beams(3), split_of(encoder)
    together = task.infer(model, split.inputs)
    assert together.losses is not None
    for row in range(len(SOURCES)):
        alone = task.infer(model, trim(tuple(tensor[row : row + 1] for tensor in split.inputs)))
        assert alone.losses is not None
        assert torch.equal(alone.values[0], together.values[row])
        assert float(alone.losses.sum()) == pytest.approx(float(together.losses[row].sum()), rel=1e-3, abs=1e-5)
    with pytest.raises(ConfigError, match="0 is out of range"):
        task.with_beams(0)


def test_answers_that_cannot_be_written_are_never_exact() -> None:
    encoder = encoder_of()
    task = task_of(encoder)
    beginnings, target = encoder.encode_answers(["xq", "xyxyx", "", "xy"])
    assert (target[1] != END).all()  # the answer is cut
    assert (target[2] == IGNORED).all()
    assert task.is_known(target).tolist() == [True, True, False, True]
    assert beginnings[:, 0].tolist() == [END] * 4
    values = torch.where(target == IGNORED, PADDING, target)
    edits = task.compared(Predictions(values), target).edits
    assert edits is not None
    assert (edits[:, 0] > 0).tolist() == [False, True, False, False]
    values[0, 1] = encoder.answer.number(["x"])[0]
    edits = task.compared(Predictions(values), target).edits
    assert edits is not None
    assert int(edits[0, 0]) == 1  # whatever is written for a token that is not in the vocabulary


def test_a_model_is_compared_with_the_baseline_of_most_exact_answers() -> None:
    encoder = encoder_of()
    task, split = task_of(encoder), split_of(encoder)
    right = torch.where(split.target == IGNORED, PADDING, split.target)
    some = right.clone()
    some[:4, 0] = 0
    ours = task.compared(Predictions(right), split.target)
    baselines = [
        Baseline(name, task.measure(Predictions(values), split.target), Predictions(values), 0.0)
        for name, values in (("none", torch.zeros_like(right)), ("some_of_them", some))
    ]
    compared = task.compare(Contest("Net", split.target, ours, baselines))
    assert compared is not None
    assert (compared.baseline, compared.difference) == ("some_of_them", 50.0)
    assert compared.words.startswith("Net beats some of them by 50.0")
    assert math.isclose(baselines[1].metrics["exact"], 0.5)


def test_scores_of_translations_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from dltrain.tasks import translation_scores as scores

    monkeypatch.setattr(scores, "is_scorer_installed", lambda: False)
    assert scores.translation_scores(["a b"], ["a b"]) == {}


def test_scores_of_translations_are_those_of_sacrebleu() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    from dltrain.tasks.translation_scores import translation_scores

    mine, true = ["the cat sat on the mat today", "a dog"], ["the cat sat on a mat today", "the dog runs"]
    found = translation_scores(mine, true)
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(mine, [true]).score)
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(mine, [true]).score)
    assert translation_scores(["12", "7"], ["12", "8"]) == {}
    chinese = translation_scores(["我喜欢喝茶。"], ["我喜欢喝水。"])
    characters = sacrebleu.corpus_bleu(["我喜欢喝茶。"], [["我喜欢喝水。"]], tokenize="char")
    assert chinese["bleu"] == pytest.approx(characters.score)
