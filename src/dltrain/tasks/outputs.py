"""Writes predictions of several numbers or labels, with columns of their own for each output."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any

import torch

from dltrain.runs.tables import safe_cell
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.task import Rows
from dltrain.types import MISSING_LABEL, Split


def output_table(outputs: Sequence[str], split: Split, predictions: Predictions) -> Rows:
    """Returns the rows of predictions.csv: true_NAME and predicted_NAME of each output, and score_NAME of a label; the
    true cell of a missing number or label is empty."""
    scores = predictions.probabilities
    target = split.target[: len(predictions.values)]
    if not target.is_floating_point():
        target = target.double().masked_fill(target == MISSING_LABEL, torch.nan)
    forms = ("true", "predicted") if scores is None else ("true", "predicted", "score")
    parts = [target, predictions.values, *([] if scores is None else [scores])]
    rows = zip(split.ids, *(part.tolist() for part in parts), strict=False)
    return Rows(
        ["id", *(f"{form}_{name}" for name in outputs for form in forms)],
        (
            [safe_cell(sample), *(cell for true, *others in zip(*row, strict=True) for cell in _cells(true, others))]
            for sample, *row in rows
        ),
    )


def _cells(true: float, others: Sequence[float]) -> list[str]:
    return ["" if isnan(true) else f"{true:.9g}", *(f"{value:.9g}" for value in others)]


def output_columns(outputs: Sequence[str], predictions: Predictions) -> dict[str, Any]:
    """Returns the columns of new predictions: predicted_NAME of each output, and score_NAME of a label."""
    columns: dict[str, Any] = {}
    for index, name in enumerate(outputs):
        columns[f"predicted_{name}"] = predictions.values[:, index].tolist()
        if predictions.probabilities is not None:
            columns[f"score_{name}"] = predictions.probabilities[:, index].tolist()
    return columns
