"""samples.csv: texts that a language model writes during its training."""

from __future__ import annotations

import csv
from itertools import islice

from torch import nn

from dltrain.kinds.corpus.encoder import CorpusEncoder
from dltrain.kinds.corpus.generate import TextGenerator
from dltrain.runs.folder import RunDir
from dltrain.storage import write_csv

SAMPLES = 8  # at most, in one run
SAMPLE_TOKENS = {"character": 160, "word": 40, "piece": 50}
SAMPLE_SEED = 0
SAMPLE_TEMPERATURE = 0.7


class Samples:
    """Lets the model write a text after some of the epochs, always from the beginning of a document.

    Args:
        run: the run's folder.
        encoder: the encoder of the training text.
        epochs: the number of epochs of the run.
        keep: the epoch that a resumed run continues from; later texts are dropped.
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
        """Adds a text to samples.csv after every few epochs, and after the last.

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
