"""The kind of data of texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import ClassVar

from torch import nn

from dltrain.data.cells import name_list
from dltrain.data.loader import TensorLoader
from dltrain.data.subwords import Subwords
from dltrain.explain.explanation import Explanation
from dltrain.kinds.checks import Finding, check_balance, check_size
from dltrain.kinds.joined_columns import build_with_columns, encoder_of_columns, importance_beside
from dltrain.kinds.kind import Kind, LoaderOptions
from dltrain.kinds.method import Method
from dltrain.kinds.page import KindPage
from dltrain.kinds.shared_ids import SharedIds
from dltrain.kinds.text import baselines
from dltrain.kinds.text.copies import check_copies
from dltrain.kinds.text.encoder import TextEncoder
from dltrain.tasks.task import Task
from dltrain.training.budget import Budget
from dltrain.types import Data, Facts, InputFormat, Spec, SplitName

NETWORK = "network"  # the key of the facts' preprocessing that describes the network whose tokenizer numbers the tokens
NGRAMS = "ngrams"  # the key of how many tokens say something by themselves, in a row


class Text(Kind):
    """Texts, as tokens and their number."""

    name: ClassVar[str] = "text"
    default_model: ClassVar[str] = "textcnn_bag"
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

    def as_begun(self, data: Data, before: Facts) -> Data:
        """Returns data for a model with as long n-grams as the run had, which older versions did not choose."""
        own = {key: value for key, value in data.facts.preprocessing.items() if key != NGRAMS}
        own |= {NGRAMS: before.preprocessing[NGRAMS]} if NGRAMS in before.preprocessing else {}
        return replace(data, facts=replace(data.facts, preprocessing=own))

    def assemble(self, build: Callable[[Spec], nn.Module], facts: Facts, spec: Spec) -> nn.Module:
        stored = facts.preprocessing
        own = replace(spec, network=stored.get(NETWORK, {}), ngrams=int(stored.get(NGRAMS, 1)))
        return build_with_columns(build, facts, own)

    def loader_options(self, facts: Facts) -> LoaderOptions:
        return LoaderOptions(bucket_by_length=True)

    def baselines(self, data: Data, split: SplitName, seconds: float) -> Iterator[Method]:
        return baselines.predictors(data, split, seconds)

    def check(self, data: Data) -> Iterator[Finding]:
        """Yields findings about copies of texts, about the balance of classes, and about the number of samples."""
        yield from check_copies(data)
        if isinstance(data.raw, SharedIds):
            yield from data.raw.check()
        yield from check_balance(data)
        yield from check_size(data)

    def describe(self, facts: Facts) -> str:
        columns = encoder_of_columns(facts)
        joined = "" if columns is None else f" and {', '.join(columns.names)}"
        return f"{facts.input_shape[0]} tokens{joined}"

    def explain(self, model: nn.Module, task: Task, facts: Facts, loader: TensorLoader, seconds: float) -> Explanation:
        """Returns the importance of the columns that join the texts, and of the texts themselves."""
        texts = name_list(self.encoder(facts).columns)
        return Explanation(importance_beside(model, task, facts, texts, loader, seconds))
