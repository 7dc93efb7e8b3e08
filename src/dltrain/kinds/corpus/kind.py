"""What is special about text that is continued."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from dltrain.kinds.checks import Finding, check_balance
from dltrain.kinds.corpus import baselines
from dltrain.kinds.corpus.encoder import CorpusEncoder
from dltrain.kinds.corpus.sampling import Samples, continue_text, unknown_in
from dltrain.kinds.kind import Kind, Predictor, UsableModel, Watcher
from dltrain.kinds.page import KindPage
from dltrain.runs.folder import RunDir
from dltrain.training.budget import Budget
from dltrain.types import Data, Encoder, Facts, SplitName


class Corpus(Kind):
    """Windows of text, each with the tokens that follow."""

    name: ClassVar[str] = "corpus"
    default_model: ClassVar[str] = "transformer"
    budget: ClassVar[Budget] = Budget(samples=19_000, fewest=1)

    def encoder(self, facts: Facts) -> Encoder:
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
        return Samples(run, facts, epochs, keep=keep)

    def continue_text(self, model: UsableModel, prompt: str, steps: int, **sampling: Any) -> tuple[str, list[str]]:
        text = continue_text(model.module, model.facts, prompt, steps, **sampling)
        return text, list(unknown_in(model.facts, prompt))
