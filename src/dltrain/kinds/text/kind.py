"""The kind of data of texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dltrain.kinds.kind import Kind, LoaderOptions
from dltrain.kinds.method import Method
from dltrain.kinds.page import KindPage
from dltrain.kinds.text import baselines
from dltrain.kinds.text.encoder import TextEncoder
from dltrain.training.budget import Budget
from dltrain.types import Data, Facts, SplitName


class Text(Kind):
    """Texts, as tokens and their number."""

    name: ClassVar[str] = "text"
    default_model: ClassVar[str] = "textcnn"
    # A text has many words, so that fewer samples are enough.
    budget: ClassVar[Budget] = Budget(samples=60_000, fewest=4, batch_sizes=((2000, 32),), large_batch=64)

    def encoder(self, facts: Facts) -> TextEncoder:
        return TextEncoder.of(facts)

    def page(self, facts: Facts) -> KindPage:
        from dltrain.kinds.text.page import TextPage

        return TextPage(facts)

    def loader_options(self, facts: Facts) -> LoaderOptions:
        return LoaderOptions(bucket_by_length=True)

    def baselines(self, data: Data, split: SplitName, seconds: float) -> Iterator[Method]:
        return baselines.predictors(data, split)

    def describe(self, facts: Facts) -> str:
        return f"{facts.input_shape[0]} tokens"
