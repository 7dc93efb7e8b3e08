"""The kind of data of texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import ClassVar

from torch import nn

from dltrain.data.subwords import Subwords
from dltrain.kinds.kind import Kind, LoaderOptions
from dltrain.kinds.method import Method
from dltrain.kinds.page import KindPage
from dltrain.kinds.text import baselines
from dltrain.kinds.text.encoder import TextEncoder
from dltrain.training.budget import Budget
from dltrain.types import Data, Facts, InputFormat, Spec, SplitName

NETWORK = "network"  # the key of the facts' preprocessing that describes the network whose tokenizer numbers the tokens


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

    def input_format(self, facts: Facts) -> InputFormat | None:
        stored, usual = facts.preprocessing, super().input_format(facts)
        if NETWORK not in stored or usual is None:
            return usual
        return replace(usual, options={**usual.options, "tokenizer": stored["tokenizer"]}, network=stored[NETWORK])

    def suit(self, data: Data, wanted: InputFormat) -> Data:
        """Returns data whose facts describe the network whose tokenizer numbers its tokens."""
        vocabulary = self.encoder(data.facts).vocabulary
        if not wanted.network or not isinstance(vocabulary, Subwords) or vocabulary.learned:
            return data
        network = {**wanted.network, "unknown": vocabulary.unknown}
        own = {**data.facts.preprocessing, NETWORK: network}
        return replace(data, facts=replace(data.facts, preprocessing=own))

    def assemble(self, build: Callable[[Spec], nn.Module], facts: Facts, spec: Spec) -> nn.Module:
        return build(replace(spec, network=facts.preprocessing.get(NETWORK, {})))

    def loader_options(self, facts: Facts) -> LoaderOptions:
        return LoaderOptions(bucket_by_length=True)

    def baselines(self, data: Data, split: SplitName, seconds: float) -> Iterator[Method]:
        return baselines.predictors(data, split, seconds)

    def describe(self, facts: Facts) -> str:
        return f"{facts.input_shape[0]} tokens"
