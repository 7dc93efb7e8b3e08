"""samples.csv: what a model of the next token writes by itself, as its training goes on."""

from __future__ import annotations

import csv
from itertools import islice

from torch import nn

from dltrain.kinds.corpus.encoder import CorpusEncoder
from dltrain.kinds.corpus.generate import TextGenerator
from dltrain.runs.folder import RunDir
from dltrain.storage import write_csv

SAMPLES = 8  # at most, along a run
SAMPLE_TOKENS = {"character": 160, "word": 40}
SAMPLE_SEED = 0
SAMPLE_TEMPERATURE = 0.7


class Samples:
    """Writes what the model writes by itself after some of the epochs, always from the beginning of a document.

    Args:
        run: its folder.
        encoder: of the text that it is trained on.
        epochs: that the run is to have.
        keep: epochs that a resumed run goes on from; what was written after them is dropped.
    """

    def __init__(self, run: RunDir, encoder: CorpusEncoder, epochs: int, keep: int = 0) -> None:
        self.path = run.samples
        self.encoder = encoder
        self.every = max(1, -(-epochs // SAMPLES))
        self.rows: list[tuple[int, str]] = []
        if keep and self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as file:
                self.rows = [(int(epoch), text) for epoch, text in islice(csv.reader(file), 1, None)]
            self.rows = [row for row in self.rows if row[0] <= keep]

    def after_epoch(self, epoch: int, model: nn.Module, last: bool) -> None:
        """Adds a sample to samples.csv, if it is time.

        Raises:
            StorageError: the disk is full.
        """
        if epoch % self.every and not last:
            return
        training = model.training
        generator = TextGenerator(model.eval(), self.encoder)
        steps = SAMPLE_TOKENS[self.encoder.vocabulary.tokens]
        text = generator.continue_text("", steps, temperature=SAMPLE_TEMPERATURE, seed=SAMPLE_SEED)
        model.train(training)
        self.rows.append((epoch, text))
        write_csv(self.path, ["epoch", "text"], self.rows)
