"""The kind of data of words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

import pandas as pd
import torch
from torch import nn

from dltrain.errors import ConfigError
from dltrain.kinds.checks import Finding
from dltrain.kinds.kind import Kind, LoaderOptions, UsableModel
from dltrain.kinds.page import KindPage
from dltrain.kinds.words.encoder import WordsEncoder
from dltrain.kinds.words.noise import NoiseWords
from dltrain.runs.folder import RunDir
from dltrain.storage import write_text
from dltrain.tasks.similar_words import SimilarWords
from dltrain.tasks.task import Task
from dltrain.tasks.word_vectors import vectors_of
from dltrain.training.budget import Budget
from dltrain.types import Data, Facts


class Words(Kind):
    """Words, each with those around it."""

    name: ClassVar[str] = "words"
    default_model: ClassVar[str] = "word2vec"
    budget: ClassVar[Budget] = Budget(
        samples=10_000_000,
        fewest=5,
        most=30,
        batch_sizes=((10_000, 512), (25_000, 1024), (50_000, 2048)),
        large_batch=4096,
    )

    def encoder(self, facts: Facts) -> WordsEncoder:
        return WordsEncoder.of(facts)

    def page(self, facts: Facts) -> KindPage:
        from dltrain.kinds.words.page import WordsPage

        return WordsPage(facts)

    def loader_options(self, facts: Facts) -> LoaderOptions:
        noise = NoiseWords.of(self.encoder(facts))
        return LoaderOptions(draw=noise, fixed_draw=replace(noise, varies=False))

    def check(self, data: Data) -> Iterator[Finding]:
        """Yields nothing: words and their neighbours are meant to repeat, and to differ in frequency."""
        yield from ()

    def describe(self, facts: Facts) -> str:
        return "a word's neighbour" if facts.input_shape == (1,) else f"{facts.input_shape[0]} neighbours"

    def save_extras(self, run: RunDir, data: Data, task: Task, model: nn.Module, device: torch.device) -> None:
        """Writes the vectors in the text format of word2vec."""
        vectors = vectors_of(model)
        if vectors is not None:
            write_text(run.vectors, SimilarWords(self.encoder(data.facts).vocabulary, vectors).spell())

    def recommend_by_likes(self, model: UsableModel, likes: Sequence[str], top: int) -> tuple[pd.DataFrame, list[str]]:
        """Returns the words nearest to some words: `place`, `word`, `similarity`, the cosine of the vectors.

        Raises:
            ConfigError: the model has no vectors, or one of the words is not in its vocabulary.
        """
        words = [word.strip() for text in likes for word in text.split(",") if word.strip()]
        near = self._similar(model).nearest(words, top)
        rows = [(place, word, cosine) for place, (word, cosine) in enumerate(near, 1)]
        return pd.DataFrame(rows, columns=["place", "word", "similarity"]), []

    def recommend_to_all(self, model: UsableModel, top: int) -> Iterator[pd.DataFrame]:
        """Yields the words nearest to each word: `word`, `place`, `near`, `similarity`."""
        similar = self._similar(model)
        for word in similar.words:
            rows = [(word, place, near, cosine) for place, (near, cosine) in enumerate(similar.nearest([word], top), 1)]
            yield pd.DataFrame(rows, columns=["word", "place", "near", "similarity"])

    def _similar(self, model: UsableModel) -> SimilarWords:
        vectors = vectors_of(model.module)
        if vectors is None:
            raise ConfigError("the run's model has no vectors of words", where="--likes")
        return SimilarWords(self.encoder(model.facts).vocabulary, vectors)
