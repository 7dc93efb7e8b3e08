"""Baselines for texts: TF-IDF of words and pairs of words, or of character n-grams, with the columns that join the
texts, and a linear model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dltrain.data.tokens import Tokens, Vocabulary, choose_tokens, split_text
from dltrain.kinds.estimators import fit_and_predict, within_time
from dltrain.kinds.labels import form_of
from dltrain.kinds.method import Method
from dltrain.tasks.predictions import Predictions
from dltrain.types import Data, Facts, Split, SplitName

LONGEST_RUN: dict[Tokens, int] = {"word": 2, "character": 3}


def predictors(data: Data, split: SplitName, seconds: float) -> Iterator[Method]:
    """Yields baselines; each fits it to training texts and predicts another split.

    A method that would take longer than its share of the time is fitted to a sample of the texts.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.multiclass import OneVsRestClassifier

    train, held_out, facts = data.splits["train"], data.splits[split], data.facts
    y = train.target.numpy() if facts.outputs else train.target.flatten().numpy()
    unit = Vocabulary.of(facts).tokens
    tokens = unit if unit in LONGEST_RUN else choose_tokens(train.texts)
    each, common = (OneVsRestClassifier, "commonest_labels") if facts.outputs else (_itself, "majority")
    makers: dict[str, Callable[[], Any]] = {
        common: lambda: each(DummyClassifier(strategy="prior")),
        "tfidf_logistic_regression": lambda: each(LogisticRegression(max_iter=500)),
    }
    if form_of(facts) == "number":
        makers = {"mean": DummyRegressor, "tfidf_ridge": lambda: RidgeCV(np.logspace(-2, 2, 9))}
    fits = {name: partial(_fit_and_predict, make, facts, tokens, train, held_out) for name, make in makers.items()}
    first, *_ = makers  # which reads no text
    nothing, new = (np.zeros((len(part), 1), dtype=np.float32) for part in (train, held_out))
    fits[first] = partial(fit_and_predict, lambda _: makers[first](), nothing, y, new, facts)
    yield from within_time(fits, np.random.default_rng(0).permutation(len(y)), facts, seconds, dict.fromkeys(fits, ""))


def _itself(estimator: Any) -> Any:
    return estimator


def _fit_and_predict(
    make: Callable[[], Any], facts: Facts, tokens: Tokens, train: Split, held_out: Split, rows: NDArray[np.int64]
) -> Predictions:
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=partial(_runs, tokens), min_df=2 if len(rows) > 100 else 1, sublinear_tf=True)
    x = vectorizer.fit_transform([train.texts[row] for row in rows.tolist()])
    x_held_out = vectorizer.transform(held_out.texts)
    if (beside := _beside(train)).shape[1]:
        x, x_held_out = hstack([x, beside[rows]]).tocsr(), hstack([x_held_out, _beside(held_out)]).tocsr()
    target = train.target[torch.from_numpy(rows)]
    y = target.numpy() if facts.outputs else target.flatten().numpy()
    return fit_and_predict(lambda _: make(), x, y, x_held_out, facts, np.arange(len(rows)))


def _beside(split: Split) -> NDArray[np.float32]:
    """Returns the encoded columns that join the texts of a split, `(N, F)`; none if none do."""
    return np.asarray(split.inputs[2]) if len(split.inputs) > 2 else np.empty((len(split), 0), dtype=np.float32)


def _runs(tokens: Tokens, text: str) -> list[str]:
    """Returns all n-grams of up to `LONGEST_RUN` tokens."""
    single = split_text(text, tokens)
    runs = list(single)
    for length in range(2, LONGEST_RUN[tokens] + 1):
        runs += [" ".join(run) for run in zip(*(single[start:] for start in range(length)), strict=False)]
    return runs
