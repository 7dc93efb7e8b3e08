"""What is special about text that is continued."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from dltrain.kinds.checks import Finding, check_balance
from dltrain.kinds.corpus import baselines
from dltrain.kinds.corpus.encoder import CorpusEncoder
from dltrain.kinds.corpus.generate import TextGenerator
from dltrain.kinds.corpus.sampling import Samples
from dltrain.kinds.kind import Kind, Predictor, UsableModel, Watcher
from dltrain.kinds.page import KindPage
from dltrain.runs.folder import RunDir
from dltrain.training.budget import Budget
from dltrain.types import Data, Facts, SplitName


class Corpus(Kind):
    """Windows of text, each with the tokens that follow."""

    name: ClassVar[str] = "corpus"
    default_model: ClassVar[str] = "transformer"
    budget: ClassVar[Budget] = Budget(samples=19_000, fewest=1)

    def encoder(self, facts: Facts) -> CorpusEncoder:
        return CorpusEncoder.of(facts)

    def page(self, facts: Facts) -> KindPage:
        from dltrain.kinds.corpus.page import CorpusPage

        return CorpusPage(facts)

    def baselines(self, data: Data, split: SplitName) -> Iterator[tuple[str, Predictor]]:
        return baselines.predictors(data, split)

    def check(self, data: Data) -> Iterator[Finding]:
        """Yields what is odd; texts repeat themselves, and a sample is a window of many tokens."""
        return check_balance(data)

    def describe(self, facts: Facts) -> str:
        return f"{facts.input_shape[0]} tokens"

    def watch(self, run: RunDir, facts: Facts, epochs: int, keep: int) -> Watcher:
        """Returns what lets the model write along its training."""
        return Samples(run, self.encoder(facts), epochs, keep=keep)

    def continue_text(self, model: UsableModel, prompt: str, steps: int, **sampling: Any) -> tuple[str, list[str]]:
        """Returns what the model writes behind a prompt, and the tokens of the prompt that it does not know.

        Args:
            model: in evaluation mode.
            prompt: any text.
            steps: tokens to write.
            sampling: how they are drawn, as `TextGenerator.continue_text` takes it.
        """
        encoder = self.encoder(model.facts)
        text = TextGenerator(model.module, encoder).continue_text(prompt, steps, **sampling)
        return text, encoder.unknown_tokens(prompt)
