"""The kind of data of pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from dltrain.kinds.checks import Finding, check_size, find_shared
from dltrain.kinds.kind import Kind
from dltrain.kinds.method import Method
from dltrain.kinds.page import KindPage
from dltrain.kinds.pairs import baselines
from dltrain.kinds.pairs.encoder import PairsEncoder, digests
from dltrain.kinds.pairs.split import count_copies, words_of
from dltrain.training.budget import Budget
from dltrain.types import Data, Facts, SplitName, Stored


class Pairs(Kind):
    """Pairs of a source and its answer, both as tokens."""

    name: ClassVar[str] = "pairs"
    default_model: ClassVar[str] = "gru_attention"
    budget: ClassVar[Budget] = Budget(samples=160_000, batch_sizes=((1000, 32), (4000, 64)), large_batch=128)
    stored_words: ClassVar[str] = "evaluate needs it, to tell which pairs trained the model"
    answers_prompts: ClassVar[bool] = True

    def encoder(self, facts: Facts) -> PairsEncoder:
        return PairsEncoder.of(facts)

    def page(self, facts: Facts) -> KindPage:
        from dltrain.kinds.pairs.page import PairsPage

        return PairsPage(facts)

    def baselines(self, data: Data, split: SplitName, seconds: float) -> Iterator[Method]:
        return baselines.predictors(data, split)

    def check(self, data: Data) -> Iterator[Finding]:
        """Yields held-out sources that are also in train, as they are or with their words in another order."""
        texts = {name: split.texts for name, split in data.splits.items()}
        shared = count_copies(texts)
        yield from find_shared(data, shared, "warning", "metrics are too good; leave these pairs out")
        loose = count_copies({name: list(map(words_of, part)) for name, part in texts.items()})
        others = {name: loose[name] - shared[name] for name in shared}
        if any(others.values()):
            counts = " and ".join(f"{count} of {len(texts[name])} in {name}" for name, count in others.items())
            yield Finding(
                "note",
                f"sources with the words of one in train, in another order or case: {counts}",
                "if the order says nothing, as in sums, metrics are too good; leave them out of one of the files",
            )
        yield from check_size(data)

    def were_trained_on(self, inputs: tuple[Stored, ...], stored: Mapping[str, Tensor]) -> Tensor | None:
        if "trained" not in stored:
            return None
        return torch.from_numpy(np.isin(digests(inputs[0][:]), stored["trained"].numpy()))

    def describe(self, facts: Facts) -> str:
        source, answer = facts.input_shape
        return f"up to {source} tokens of a source, {answer - 1} of an answer"
