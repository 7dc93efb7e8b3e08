"""What is measured of a trained model to explain it, by the kind of data."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from torch import nn

from dltrain.data.loader import TensorLoader
from dltrain.explain.importance import Importance, permutation_importance, source_columns
from dltrain.explain.projection import Projection, project_features, project_inputs
from dltrain.runs.folder import write_text
from dltrain.tasks.task import Task
from dltrain.types import Facts


@dataclass(frozen=True)
class Explanation:
    """What a model rests on, and how its samples lie; of data that offers neither, nothing.

    Args:
        importance: of each source column, the most important first.
        projection: of the samples into a plane.
    """

    importance: tuple[Importance, ...] = ()
    projection: Projection | None = None


def explain(model: nn.Module, task: Task, facts: Facts, loader: TensorLoader, seconds: float) -> Explanation:
    """Explains a trained model by a split's samples.

    Args:
        model: trained.
        task: what it learned.
        facts: of the data.
        loader: of the split.
        seconds: that this may take, about.
    """
    if facts.kind == "table" and len(facts.input_shape) == 1 and loader.prepare is None:
        (x,) = loader.inputs
        shuffled = permutation_importance(model, task, x, loader.target, source_columns(facts), seconds)
        return Explanation(tuple(shuffled), project_inputs(x))
    if facts.kind == "image":
        return Explanation(projection=project_features(model, loader.inputs, loader.prepare, seconds))
    return Explanation()


def write_projection(path: Path, projection: Projection) -> None:
    """Writes the points: a sample's place among the predictions, and its two coordinates."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "x", "y"])
    for row, (x, y) in zip(projection.rows.tolist(), projection.points.tolist(), strict=True):
        writer.writerow([row, f"{x:.5g}", f"{y:.5g}"])
    write_text(path, text.getvalue())
