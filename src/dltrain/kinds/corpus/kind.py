"""The kind of data of language models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from dltrain.kinds.checks import Finding, check_balance
from dltrain.kinds.corpus import baselines
from dltrain.kinds.corpus.copies import Documents, check_copies
from dltrain.kinds.corpus.encoder import CorpusEncoder
from dltrain.kinds.corpus.generate import TextGenerator
from dltrain.kinds.corpus.sampling import Samples
from dltrain.kinds.kind import Kind, UsableModel, Watcher
from dltrain.kinds.method import Method
from dltrain.kinds.page import KindPage
from dltrain.runs.folder import RunDir
from dltrain.training.budget import Budget
from dltrain.types import Data, Facts, SplitName


class Corpus(Kind):
    """Windows of text, each with the tokens that follow."""

    name: ClassVar[str] = "corpus"
    default_model: ClassVar[str] = "transformer"
    budget: ClassVar[Budget] = Budget(samples=19_000, fewest=1)
    samples_stand_alone: ClassVar[bool] = False  # windows follow each other

    def encoder(self, facts: Facts) -> CorpusEncoder:
        return CorpusEncoder.of(facts)

    def page(self, facts: Facts) -> KindPage:
        from dltrain.kinds.corpus.page import CorpusPage

        return CorpusPage(facts)

    def baselines(self, data: Data, split: SplitName, seconds: float) -> Iterator[Method]:
        return baselines.predictors(data, split)

    def check(self, data: Data) -> Iterator[Finding]:
        """Yields findings; few samples are normal here, since a sample is a window of many tokens."""
        if isinstance(data.raw, Documents):
            yield from check_copies(data.raw)
        yield from check_balance(data)

    def describe(self, facts: Facts) -> str:
        return f"{facts.input_shape[0]} tokens"

    def watch(self, run: RunDir, facts: Facts, epochs: int, keep: int) -> Watcher:
        """Returns a watcher that lets the model write text during its training."""
        return Samples(run, self.encoder(facts), epochs, keep=keep)

    def continue_text(self, model: UsableModel, prompt: str, steps: int, **sampling: Any) -> tuple[str, list[str]]:
        """Returns the text with which a model continues a prompt, and the prompt's unknown tokens.

        Args:
            model: the model, in evaluation mode.
            prompt: any text.
            steps: tokens to generate.
            sampling: the arguments of `TextGenerator.continue_text` that decide how tokens are drawn.
        """
        encoder = self.encoder(model.facts)
        text = TextGenerator(model.module, encoder).continue_text(prompt, steps, **sampling)
        return text, encoder.unknown_tokens(prompt)
