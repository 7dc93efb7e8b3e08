"""Baselines for tables: what scikit-learn makes of the raw columns, prepared as its own guide advises."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from dltrain.kinds.estimators import SOME, Maker, fit_and_predict, methods, note_on_weight, within_time
from dltrain.kinds.method import Method
from dltrain.kinds.table.raw import RawTable
from dltrain.types import Data, SplitName

MOST_LEVELS = 255  # that gradient boosting takes as categories
MOST_ONE_HOT = 500  # levels of a column that have an input each for a linear model


def predictors(data: Data, raw: RawTable, split: SplitName, seconds: float) -> Iterator[Method]:
    """Yields baselines that are fitted to the training rows and predict another split.

    A method that would take longer than its share of the time is fitted to a sample of the rows.

    Args:
        data: the encoded data, for its targets.
        raw: the rows.
        split: the split to predict.
        seconds: that all methods may take.
    """
    makers = list(methods(data.facts, boosting=True))
    train, held_out = raw.frame("train"), raw.frame(split)
    y, weight = data.splits["train"].target, data.splits["train"].weight
    weights = None if weight is None else weight.numpy()
    targets = y.numpy() if data.facts.outputs else y.flatten().numpy()
    several_numbers = bool(data.facts.outputs) and y.is_floating_point()
    # The target means of categories are those of a single target.
    apart = several_numbers and bool(_of_many_levels(train))
    fits = {
        name: partial(
            fit_and_predict,
            make if name == makers[0][0] else _prepared(name, make, train),  # the first one takes no inputs
            train,
            targets,
            held_out,
            data.facts,
            weight=weights,
            each_alone=apart and name == "gradient_boosting",
        )
        for name, make in makers
    }
    notes = {name: note_on_weight(make, targets[:SOME], weights) for name, make in makers}
    yield from within_time(fits, np.random.default_rng(0).permutation(len(targets)), data.facts, seconds, notes)


def _prepared(name: str, make: Maker, train: pd.DataFrame) -> Maker:
    """Returns a maker of the method behind the preparation of columns that it needs."""
    from sklearn.pipeline import make_pipeline

    prepare = as_categories(train) if name == "gradient_boosting" else as_numbers(train)
    return lambda y: make_pipeline(prepare, make(y))


def as_numbers(train: pd.DataFrame) -> Any:
    """Returns a transformer to numbers without gaps: standardised numbers, and one-hot categories."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers, categories = _names(train)
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_ONE_HOT, sparse_output=False)
    return make_column_transformer((scaled, numbers), (one_hot, categories))


def as_categories(train: pd.DataFrame) -> Any:
    """Returns a transformer for trees: numbers as they are, and categories, those of many levels by target means."""
    import sklearn
    from sklearn.compose import make_column_transformer
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import TargetEncoder

    many = _of_many_levels(train)
    takes_folds = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)
    encoder = TargetEncoder(cv=KFold(5, shuffle=True, random_state=0)) if takes_folds else TargetEncoder(random_state=0)
    return make_column_transformer(
        (encoder, many), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")


def _of_many_levels(train: pd.DataFrame) -> list[str]:
    """Returns the names of categories with more levels than gradient boosting takes."""
    return [name for name in _names(train)[1] if train[name].nunique() > MOST_LEVELS]


def _names(train: pd.DataFrame) -> tuple[list[str], list[str]]:
    categories = [name for name in train.columns if isinstance(train[name].dtype, pd.CategoricalDtype)]
    return [name for name in train.columns if name not in categories], categories
