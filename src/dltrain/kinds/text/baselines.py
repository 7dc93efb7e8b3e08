"""Baselines for texts: TF-IDF of words and pairs of words, or of character n-grams, with the columns that join the
texts, and a linear model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltrain.data.tokens import Tokens, Vocabulary, choose_tokens, split_text
from dltrain.kinds.estimators import fit_and_predict
from dltrain.kinds.labels import form_of
from dltrain.kinds.method import Method
from dltrain.tasks.predictions import Predictions
from dltrain.types import Data, Facts, Split, SplitName

MAX_TEXTS = 50_000  # to which a baseline is fitted
LONGEST_RUN: dict[Tokens, int] = {"word": 2, "character": 3}


def predictors(data: Data, split: SplitName) -> Iterator[Method]:
    """Yields baselines; each fits it to the training texts and predicts another split."""
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.multiclass import OneVsRestClassifier

    train, held_out, facts = data.splits["train"], data.splits[split], data.facts
    y = train.target.numpy() if facts.outputs else train.target.flatten().numpy()
    rows = np.arange(len(y))
    if len(y) > MAX_TEXTS:
        rows = np.sort(np.random.default_rng(0).choice(len(y), MAX_TEXTS, replace=False))
    unit = Vocabulary.of(facts).tokens
    tokens = unit if unit in LONGEST_RUN else choose_tokens(train.texts)
    texts = [train.texts[row] for row in rows]
    beside = _beside(train)[rows], _beside(held_out)
    fit = partial(_fit_and_predict, facts, tokens, texts, y[rows], held_out.texts, beside)
    if form_of(facts) == "number":
        yield Method("mean", partial(fit, lambda: DummyRegressor()))
        yield Method("tfidf_ridge", partial(fit, lambda: RidgeCV(np.logspace(-2, 2, 9))))
        return
    each, common = (OneVsRestClassifier, "commonest_labels") if facts.outputs else (_itself, "majority")
    yield Method(common, partial(fit, lambda: each(DummyClassifier(strategy="prior"))))
    yield Method("tfidf_logistic_regression", partial(fit, lambda: each(LogisticRegression(max_iter=500))))


def _itself(estimator: Any) -> Any:
    return estimator


def _fit_and_predict(
    facts: Facts,
    tokens: Tokens,
    texts: list[str],
    y: NDArray[Any],
    held_out: tuple[str, ...],
    beside: tuple[NDArray[np.float32], NDArray[np.float32]],
    make: Callable[[], Any],
) -> Predictions:
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer=partial(_runs, tokens), min_df=2 if len(texts) > 100 else 1, sublinear_tf=True
    )
    x, x_held_out = vectorizer.fit_transform(texts), vectorizer.transform(held_out)
    if beside[0].shape[1]:
        x, x_held_out = hstack([x, beside[0]]).tocsr(), hstack([x_held_out, beside[1]]).tocsr()
    return fit_and_predict(lambda _: make(), x, y, x_held_out, facts, np.arange(len(y)))


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
