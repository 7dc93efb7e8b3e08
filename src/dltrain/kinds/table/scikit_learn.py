"""The small tables of scikit-learn."""

from __future__ import annotations

from typing import Annotated, Literal

from dltrain.data.folds import FoldOption, FoldsOption
from dltrain.data.splits import Fraction
from dltrain.kinds.table.load import table
from dltrain.kinds.table.scale import Numeric
from dltrain.types import Data, Range

Seed = Annotated[int, Range(0)]


def toy_table(
    *,
    name: Literal["iris", "wine", "breast_cancer", "diabetes"],
    numeric: Numeric = "quantile",
    scale_target: bool = True,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    folds: FoldsOption = "none",
    fold: FoldOption = None,
    seed: Seed = 0,
) -> Data:
    """Returns one of scikit-learn's tables, loaded like any other table.

    Args:
        name: the name of the table.
        numeric: how numbers are scaled: `quantile` (to a normal distribution), `standard` or `none`.
        scale_target: whether the loss sees a regression's target standardised.
        val_fraction: share of the validation split.
        test_fraction: share of the test split.
        folds: the number of folds of all rows that are not for testing; `auto` is 5 below 10,000 rows, `none` for none.
        fold: the fold that alone is the validation split, counted from 0; None for a model of each fold.
        seed: of the split.
    """
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = bunch.data.copy()
    classes = getattr(bunch, "target_names", None)
    target = {"iris": "species", "wine": "cultivar", "breast_cancer": "diagnosis", "diabetes": "progression"}[name]
    frame[target] = bunch.target if classes is None else [str(classes[label]) for label in bunch.target]
    return table(
        frame,
        target=target,
        numeric=numeric,
        scale_target=scale_target,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        folds=folds,
        fold=fold,
        seed=seed,
    )
