"""The drawings of a sweep's page, as coordinates of SVG: curves of all jobs, and parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dltrain.drawing.style import DECADES
from dltrain.errors import DltrainError
from dltrain.report.configurations import Configuration
from dltrain.report.sweep import Row, Summary
from dltrain.runs.folder import RunDir

WIDTH, HEIGHT = 900, 320
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 30, 40  # margins
MOST_VALUES = 0.75  # the share of values by which an axis is scaled, if the worse ones lie far beyond them
MOST_CURVES, MOST_POINTS = 200, 200
LONGEST_NAME = 18  # characters of a value on an axis


@dataclass(frozen=True)
class Line:
    """A line of a drawing: its points as SVG writes them, what it stands for, its colour, whether it is the best."""

    points: str
    title: str
    color: str
    is_best: bool = False


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    place: float
    text: str


@dataclass(frozen=True)
class Axis:
    """A vertical axis: its place, name and marks."""

    x: float
    name: str
    ticks: Sequence[Tick]


@dataclass(frozen=True)
class Drawing:
    """Lines between axes. The lines are in the order in which they are drawn, the best last."""

    lines: Sequence[Line]
    axes: Sequence[Axis]
    below: Sequence[Tick] = ()
    width: int = WIDTH
    height: int = HEIGHT


def draw_curves(summary: Summary, folder: Path) -> Drawing | None:
    """Returns the measure by epoch of every job that recorded it, with the best job's in front; `None` without any."""
    rows = ordered_rows(summary)
    shown = [row for row in rows if row["folder"]][:MOST_CURVES]
    curves: list[tuple[Row, list[tuple[float, float]]]] = []
    for row in shown:
        points = _read_curve(RunDir(folder / row["folder"]), summary.measure)
        if points:
            curves.append((row, points))
    if not curves:
        return None
    epochs = [epoch for _, points in curves for epoch, _ in points]
    first, last = min(epochs), max(epochs)
    place_y, ticks = _scale([value for _, points in curves for _, value in points], clips=_worse(summary))

    def place_x(epoch: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * ((epoch - first) / (last - first) if last > first else 0.5)

    lines = [
        Line(
            " ".join(f"{place_x(epoch):.1f},{place_y(value):.1f}" for epoch, value in points),
            f"job {row['job']}: {row['overrides']}",
            _color(number, len(curves)),
            row is summary.best,
        )
        for number, (row, points) in enumerate(curves)
    ]
    below = [Tick(place_x(epoch), f"{epoch:g}") for epoch in dict.fromkeys((first, last))]
    return Drawing(_best_last(lines), [Axis(LEFT, summary.measure, ticks)], below)


def draw_parallel(summary: Summary, ranked: Sequence[Configuration]) -> Drawing | None:
    """Returns a line for each configuration through its values and its mean; `None` where fewer than two keys or
    configurations leave nothing to draw."""
    scored = [one for one in ranked if one.scores]
    keys = list(dict.fromkeys(key for one in scored for key in one.values))
    if len(scored) < 2 or not keys:
        return None
    step = (WIDTH - 2 * LEFT) / len(keys)
    axes, placers = [], []
    for number, key in enumerate(keys):
        place, ticks = _value_scale([one.values.get(key, "") for one in scored])
        axes.append(Axis(LEFT + number * step, key, ticks))
        placers.append(place)
    place_mean, ticks = _scale([one.mean for one in scored], clips=_worse(summary))
    axes.append(Axis(WIDTH - LEFT, summary.measure, ticks))
    lines = []
    for number, one in enumerate(scored):
        points = [
            f"{axis.x:.1f},{place(one.values.get(key, '')):.1f}"
            for key, axis, place in zip(keys, axes, placers, strict=False)
        ]
        points.append(f"{axes[-1].x:.1f},{place_mean(one.mean):.1f}")
        title = f"{one.name}: {one.mean:.4g}"
        lines.append(Line(" ".join(points), title, _color(number, len(scored)), one is summary.verdict.best))
    return Drawing(_best_last(lines), axes)


def ordered_rows(summary: Summary) -> list[Row]:
    """Returns the rows with the best first, and those without a value of the measure last."""
    sign = -1 if summary.larger_is_better else 1

    def key(row: Row) -> tuple[bool, float]:
        value = row.get(summary.measure)
        return (True, 0.0) if row["state"] != "done" or value is None else (False, sign * value)

    return sorted(summary.rows, key=key)


def _worse(summary: Summary) -> str:
    """Returns the end of the measure's axis at which the bad jobs lie."""
    return "min" if summary.larger_is_better else "max"


def _read_curve(run: RunDir, column: str) -> list[tuple[float, float]]:
    """Returns epochs and finite values of a column of metrics.csv, at most 200 of them."""
    try:
        history = run.read_history() if run.history.exists() else []
    except DltrainError:
        return []
    points = [(row["epoch"], row[column]) for row in history if column in row and math.isfinite(row[column])]
    every = -(-len(points) // MOST_POINTS) or 1
    return points if every == 1 else [*points[:-1:every], points[-1]]


def _scale(values: Sequence[float], *, clips: str = "") -> tuple[Callable[[float], float], list[Tick]]:
    """Returns the height of a value, and marks.

    Args:
        values: to be drawn.
        clips: `max` or `min`, the end at which values far beyond most others are drawn at the edge; empty for none.
    """
    low, high = min(values), max(values)
    ordered = sorted(values)
    most_high, most_low = (
        ordered[int(MOST_VALUES * (len(ordered) - 1))],
        ordered[-1 - int(MOST_VALUES * (len(ordered) - 1))],
    )
    if clips == "max" and high - low > 4 * (most_high - low) > 0:
        high = most_high
    elif clips == "min" and high - low > 4 * (high - most_low) > 0:
        low = most_low
    logarithmic = low > 0 and high / low > DECADES
    change: Callable[[float], float] = math.log if logarithmic else float

    def place(value: float) -> float:
        value = min(max(value, low), high)
        share = (change(value) - change(low)) / (change(high) - change(low)) if high > low else 0.5
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    marks = [low, *([] if high == low else [math.sqrt(low * high) if logarithmic else (low + high) / 2, high])]
    signs = {low: "≤ " if low > min(values) else "", high: "≥ " if high < max(values) else ""}
    return place, [Tick(place(value), f"{signs.get(value, '')}{value:.4g}") for value in marks]


def _value_scale(texts: Sequence[str]) -> tuple[Callable[[str], float], list[Tick]]:
    """Returns the height of a key's value and marks: on a scale where all are numbers, evenly spaced otherwise."""
    different = list(dict.fromkeys(texts))
    numbers = {text: number for text in different if (number := as_number(text)) is not None}
    if len(numbers) == len(different):
        place_number, ticks = _scale([*numbers.values()])
        if len(different) <= 6:
            ticks = [Tick(place_number(number), text) for text, number in numbers.items()]
        return (lambda text: place_number(numbers[text])), ticks
    span = HEIGHT - TOP - BOTTOM
    places = {
        text: TOP + span * (number / (len(different) - 1) if len(different) > 1 else 0.5)
        for number, text in enumerate(sorted(different))
    }
    named: Mapping[str, float] = places
    return named.__getitem__, [Tick(place, _shorten(text)) for text, place in places.items()]


def as_number(text: str) -> float | None:
    """Returns the finite number that a text spells; `None` if it spells none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _color(number: int, count: int) -> str:
    """Returns the colour of the job of that rank: from blue for the best to light grey."""
    share = number / max(1, count - 1)
    return f"hsl(212 {90 - 80 * share:.0f}% {45 + 22 * share:.0f}%)"


def _best_last(lines: Sequence[Line]) -> list[Line]:
    others = [line for line in reversed(lines) if not line.is_best]
    return [*others, *(line for line in lines if line.is_best)]


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"
