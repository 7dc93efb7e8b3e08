"""Baselines for pairs: the most frequent answer, the source itself, and the answer to the most similar source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from dltrain.data.tokens import IGNORED, PADDING
from dltrain.kinds.method import Method
from dltrain.kinds.pairs.encoder import PairsEncoder
from dltrain.tasks.predictions import Predictions
from dltrain.types import Data, Split, SplitName

MAX_PAIRS = 50_000  # among which the most similar source is looked for
AT_ONCE = 512  # sources that are compared together
LONGEST_RUN = 3  # characters


def predictors(data: Data, split: SplitName) -> Iterator[Method]:
    """Yields baselines; each learns from the training pairs and answers the sources of another split."""
    encoder = PairsEncoder.of(data.facts)
    train, held_out = data.splits["train"], data.splits[split]
    yield Method("most_frequent_answer", partial(_most_frequent, train, len(held_out)))
    yield Method("copied_source", partial(_copied, encoder, held_out))
    yield Method("nearest_source", partial(_nearest, train, held_out))


def _most_frequent(train: Split, count: int) -> Predictions:
    answers = Counter(map(tuple, train.target.tolist()))
    (answer, _), *_ = answers.most_common(1)
    return _written(torch.tensor([answer]).expand(count, -1))


def _copied(encoder: PairsEncoder, held_out: Split) -> Predictions:
    return _written(encoder.encode_answers(held_out.texts)[1])


def _nearest(train: Split, held_out: Split) -> Predictions:
    """Gives each source the answer of the training source with the largest cosine of TF-IDF of character n-grams."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    rows = np.arange(len(train))
    if len(rows) > MAX_PAIRS:
        rows = np.sort(np.random.default_rng(0).choice(len(train), MAX_PAIRS, replace=False))
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, LONGEST_RUN), sublinear_tf=True)
    known = vectorizer.fit_transform([train.texts[row] for row in rows])
    asked = vectorizer.transform(held_out.texts)
    nearest = [
        np.asarray((asked[start : start + AT_ONCE] @ known.T).argmax(axis=1)).ravel()
        for start in range(0, asked.shape[0], AT_ONCE)
    ]
    return _written(train.target[torch.from_numpy(rows[np.concatenate(nearest)])])


def _written(target: torch.Tensor) -> Predictions:
    """Returns answers `(N, T)` in the form of targets as if they had been written."""
    return Predictions(target.masked_fill(target == IGNORED, PADDING).clone())
