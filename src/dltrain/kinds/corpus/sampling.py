"""What a model of the next token says: of each held-out window, and what it writes when it goes on by itself."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from itertools import islice

from torch import nn

from dltrain.data.tokens import END, UNKNOWN, Vocabulary, split_pieces
from dltrain.kinds.corpus.generate import generate
from dltrain.runs.folder import RunDir, write_text
from dltrain.types import Facts

SAMPLES = 8  # at most, along a run
SAMPLE_TOKENS = {"character": 160, "word": 40}
SAMPLE_SEED = 0
SAMPLE_TEMPERATURE = 0.7


class Samples:
    """Writes samples.csv: what the model writes by itself, after some of the epochs, always from the same beginning.

    Args:
        run: its folder.
        facts: of the corpus.
        epochs: that the run is to have.
        keep: epochs that a resumed run goes on from; what was written after them is dropped.
    """

    def __init__(self, run: RunDir, facts: Facts, epochs: int, keep: int = 0) -> None:
        self.path = run.samples
        self.facts = facts
        self.every = max(1, -(-epochs // SAMPLES))
        self.rows: list[tuple[int, str]] = []
        if keep and self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as file:
                self.rows = [(int(epoch), text) for epoch, text in islice(csv.reader(file), 1, None)]
            self.rows = [row for row in self.rows if row[0] <= keep]

    def after_epoch(self, epoch: int, model: nn.Module, last: bool) -> None:
        """Writes one more, if it is time.

        Raises:
            StorageError: the disk is full.
        """
        if epoch % self.every and not last:
            return
        training = model.training
        model.eval()
        steps = SAMPLE_TOKENS[self.facts.preprocessing["tokens"]]
        text = continue_text(model, self.facts, "", steps, temperature=SAMPLE_TEMPERATURE, seed=SAMPLE_SEED)
        model.train(training)
        self.rows.append((epoch, text))
        content = StringIO()
        writer = csv.writer(content, lineterminator="\n")
        writer.writerow(["epoch", "text"])
        writer.writerows(self.rows)
        write_text(self.path, content.getvalue())


def continue_text(
    model: nn.Module,
    facts: Facts,
    prompt: str,
    steps: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> str:
    """What the model writes behind a prompt; an empty one is the beginning of a document.

    Args:
        model: in evaluation mode.
        facts: of the corpus that it was trained on.
        prompt: any text; what the vocabulary lacks is read as unknown.
        steps: tokens to write.
        temperature: as for `generate`.
        top_k: likewise.
        seed: likewise.
    """
    known = Vocabulary.from_json(facts.preprocessing)
    tokens = known.numbering()(split_pieces(prompt, known.tokens)).tolist() or [END]
    (window,) = facts.input_shape
    written = generate(model, tokens, steps, window=window, temperature=temperature, top_k=top_k, seed=seed)
    return known.spell(written)


def unknown_in(facts: Facts, prompt: str) -> Sequence[str]:
    """The tokens of a prompt that the vocabulary lacks, each once."""
    known = Vocabulary.from_json(facts.preprocessing)
    pieces = split_pieces(prompt, known.tokens)
    numbers = known.numbering()(pieces)
    return list(dict.fromkeys(piece for piece, number in zip(pieces, numbers, strict=True) if number == UNKNOWN))
