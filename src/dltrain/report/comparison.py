"""Compares two runs on one page: their curves in the same axes, and the differences of their configs and results."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dltrain.drawing.style import (
    COLORS,
    Lettering,
    add_legend,
    name_axes,
    new_axes,
    new_figure,
    scale_wide,
    to_png,
)
from dltrain.errors import StorageError
from dltrain.runs.folder import RunDir
from dltrain.runs.result import Result
from dltrain.storage import write_text
from dltrain.tasks.metric_table import METRICS, Declared, MetricInfo, describe_metric, read_declared

TEMPLATE = "comparison.html.jinja"

Differences = Mapping[str, tuple[Any, Any]]


def write_comparison(path: Path, runs: Sequence[RunDir], config: Differences, values: Differences) -> None:
    """Writes the page.

    Args:
        path: of the page.
        runs: to be compared.
        config: pairs of values in which their configs differ, by key.
        values: pairs of values in which their results differ, by key.

    Raises:
        StorageError: it cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    if not path.parent.is_dir():
        raise StorageError(f"there is no folder {path.parent}", fix=f"create it: mkdir -p {path.parent}")
    names = distinct_names([run.path for run in runs])
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    tables = [
        (title, [(key, *map(_spell, pair)) for key, pair in pairs.items()])
        for title, pairs in (("Config", config), ("Result", values))
    ]
    page = environment.get_template(TEMPLATE).render(names=names, plots=draw_curves(runs, names), tables=tables)
    write_text(path, page)


def draw_curves(runs: Sequence[RunDir], names: Sequence[str]) -> list[tuple[str, str]]:
    """Returns a title and a PNG in base64 for each curve that some run has."""
    text = Lettering(names)
    histories = [run.read_history() if run.history.exists() else [] for run in runs]
    plots = []
    for column, title in _curves(histories, _declared(runs)).items():
        curves = [[(row["epoch"], row[column]) for row in rows if column in row] for rows in histories]
        points = np.array([value for curve in curves for _, value in curve])
        if not len(points) or (column == "lr" and len(np.unique(points)) == 1):
            continue
        figure = new_figure()
        (axes,) = new_axes(figure)
        for name, curve, colour in zip(names, curves, COLORS, strict=False):
            if curve:
                axes.plot(*zip(*curve, strict=True), color=colour, linewidth=1.7, label=text(name, 40))
        scale_wide(axes, points)
        name_axes(axes, "epoch", title)
        add_legend(axes)
        plots.append((title, b64encode(to_png(figure, text.families)).decode("ascii")))
    return plots


def _curves(histories: Sequence[Sequence[Mapping[str, float]]], declared: Declared) -> dict[str, str]:
    """Returns the columns that are drawn and their titles: losses, all metrics, the learning rate."""
    columns = dict.fromkeys(name for rows in histories for row in rows for name in row)
    order = [*METRICS, *declared]
    names = [name for name in columns if name.startswith(("train/", "val/"))]
    names.sort(key=lambda name: (_place(name.split("/")[1], order), name.split("/")[0] != "train"))
    words = {"train": "training", "val": "validation"}
    titles = {
        name: f"{words[split]} {describe_metric(metric, declared).label}"
        for name in names
        for split, metric in [name.split("/")]
    }
    return titles | ({"lr": "learning rate"} if "lr" in columns else {})


def _place(metric: str, order: Sequence[str]) -> int:
    return order.index(metric) if metric in order else len(order)


def _declared(runs: Sequence[RunDir]) -> Declared:
    """Returns the descriptions of the user's own metrics that the runs record."""
    declared: dict[str, MetricInfo] = {}
    for run in runs:
        if run.result.exists():
            declared |= read_declared(Result.read(run).metrics)
    return declared


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Returns the last parts of each path, as many as are needed to make the names different."""
    paths_parts = [path.resolve().parts for path in paths]
    for count in range(1, max(map(len, paths_parts)) + 1):
        names = ["/".join(parts[-count:]) for parts in paths_parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def _spell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
