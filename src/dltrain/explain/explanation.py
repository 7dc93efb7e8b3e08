"""The explanation of a trained model, as one value, and how its projection is written to a file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from dltrain.explain.importance import Importance
from dltrain.explain.projection import Projection
from dltrain.runs.folder import write_text


@dataclass(frozen=True)
class Explanation:
    """What explains a trained model; a part that a kind of data does not offer stays empty.

    Args:
        importance: of each source column, the most important first.
        projection: of the samples into a plane.
    """

    importance: tuple[Importance, ...] = ()
    projection: Projection | None = None


def write_projection(path: Path, projection: Projection) -> None:
    """Writes the projected points: each sample's row among the predictions, and its two coordinates."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "x", "y"])
    for row, (x, y) in zip(projection.rows.tolist(), projection.points.tolist(), strict=True):
        writer.writerow([row, f"{x:.5g}", f"{y:.5g}"])
    write_text(path, text.getvalue())
