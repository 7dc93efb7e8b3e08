"""The explanation of a trained model, as one value, and how its projection is written to a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dltrain.explain.importance import Importance
from dltrain.explain.projection import Projection
from dltrain.storage import write_csv

MAPS = "maps.safetensors"  # where the model looks in some of the examples, beside these


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
    points = zip(projection.rows.tolist(), projection.points.tolist(), strict=True)
    write_csv(path, ["row", "x", "y"], ([row, f"{x:.5g}", f"{y:.5g}"] for row, (x, y) in points))
