"""Writes sweep.html, one page with the answer of a sweep, while it runs and when it has ended."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from dltrain.report.configurations import CONFIDENCE, REPEATS, Configuration, rank
from dltrain.report.sweep import WAITING, Summary
from dltrain.report.sweep_plots import as_number, draw_curves, draw_parallel, ordered_rows
from dltrain.report.templates import page_template
from dltrain.storage import write_text

TEMPLATE = "sweep.html.jinja"
NAME = "sweep.html"
MOST_TIED = 3  # configurations that a sentence names


@dataclass(frozen=True)
class Effect:
    """A value of a key, and the scores of the configurations that have it.

    Args:
        value: as it was typed.
        middle: the median of their means.
        best: the best of their means.
        configurations: their number.
        share: where the median lies between the smallest and the largest median of the key, from 0 to 1.
    """

    value: str
    middle: float
    best: float
    configurations: int
    share: float


def write_page(summary: Summary, folder: Path) -> Path:
    """Writes the page of a sweep, and returns its path.

    Raises:
        StorageError: it cannot be written.
    """
    ranked = rank(summary.configurations, larger_is_better=summary.larger_is_better)
    rows = ordered_rows(summary)
    keys = list(dict.fromkeys(key for one in ranked for key in one.values))
    repeats = [key for key in REPEATS if any(key in row for row in rows)]
    template = page_template(TEMPLATE, number=spell, link=lambda name: quote(f"{name}/"))
    page = template.render(
        name=folder.resolve().name,
        summary=summary,
        progress=describe_progress(summary),
        sentences=describe_answer(summary),
        test=describe_test(summary),
        ranked=ranked,
        keys=keys,
        job_keys=[*keys, *repeats],
        repeated=len(ranked) < len(rows),
        effects={key: effects_of(key, ranked) for key in keys if summary.search is None or is_repeated(key, ranked)},
        importance=sorted(summary.search.importance.items(), key=lambda item: -item[1]) if summary.search else [],
        rows=rows,
        pruned=[row for row in rows if row["state"] == "pruned"],
        failed=[row for row in summary.failed if row["state"] not in (WAITING, "running")],
        parallel=draw_parallel(summary, ranked) if summary.measure else None,
        curves=draw_curves(summary, folder) if summary.measure else None,
        tests=test_of_each(summary),
        has_report=lambda row: (folder / row["folder"] / "report.html").exists(),
    )
    write_text(folder / NAME, page)
    return folder / NAME


def describe_progress(summary: Summary) -> str:
    """Returns how many jobs are in which state, in one line."""
    states = Counter(row["state"] for row in summary.rows)
    return f"{len(summary.rows)} jobs: " + ", ".join(f"{count} {state}" for state, count in states.most_common())


def describe_answer(summary: Summary) -> list[str]:
    """Returns which configuration is best, and how sure that is, in sentences."""
    verdict, best = summary.verdict, summary.verdict.best
    if summary.best is None or best is None:
        return [f"There is no best job: {summary.reason}."]
    score = f"{summary.measure} of {spell_score(best)}"
    pending = any(row["state"] in (WAITING, "running") for row in summary.rows)
    so_far = "So far, " if pending else ""
    if len(summary.configurations) == 1:
        return [f"{so_far}{'the' if so_far else 'The'} one configuration has a {score}."]
    if verdict.is_winner:
        sure = (
            f"With {verdict.confidence:.1%} confidence, it is better than each of the others."
            if (verdict.confidence is not None and verdict.confidence < 0.999)
            else "It is better than each of the others beyond chance (confidence above 99.9%)."
        )
        return [f"{so_far}{best.name} is the winner, with a {score}.", sure]
    first = f"{so_far}{best.name} has the best {score}, but that does not make it the winner."
    if verdict.confidence is None and summary.search is not None:
        advice = "Train it again with other seeds, such as seed=1 and seed=2, to see how much its score varies."
        return [first, verdict.reason, advice]
    if verdict.confidence is None:
        advice = "Repeat each configuration to find out, such as with seed=range(3)"
        return [first, verdict.reason, f"{advice}{_or_splits(summary)}."]
    names = ", ".join(one.name for one in verdict.tied[:MOST_TIED])
    more = len(verdict.tied) - MOST_TIED
    names += f" and {more} more" if more > 0 else ""
    tie = f"It ties with {names}: differences this small are what chance makes"
    return [first, f"{tie} (confidence {verdict.confidence:.0%}; a winner needs {CONFIDENCE:.0%})."]


def _or_splits(summary: Summary) -> str:
    """Returns other repeats to try, where the seed changes nothing."""
    return "" if "ran once" in summary.verdict.reason else " or, with other splits, data.seed=range(5)"


def describe_test(summary: Summary) -> str:
    """Returns what the chosen configuration has on the test split, in one sentence; empty where it was not read."""
    values = [value for row in summary.chosen if (value := row.get(_test_column(summary))) is not None]
    if not values:
        return ""
    metric = _test_column(summary)
    others = [row["job"] for row in summary.rows if row.get(metric) is not None and row not in summary.chosen]
    mean = f"{spell(float(np.mean(values)))}" + (
        f" ± {spell(float(np.std(values, ddof=1)))} over {len(values)} repeats" if len(values) > 1 else ""
    )
    read = "The test split was read for it alone, after it was chosen"
    if others:
        read = f"The test split was also read for job {', '.join(others)}, so it is no longer untouched"
    elif len(summary.configurations) == 1:
        read = "Nothing was chosen by the test split"
    return f"{metric} is {mean}. {read}."


def test_of_each(summary: Summary) -> dict[str, str]:
    """Returns the mean on the test split by the name of each configuration that has one."""
    column = _test_column(summary)
    means = {}
    for one in summary.configurations:
        values = [row[column] for row in summary.rows if row["job"] in one.jobs and row.get(column) is not None]
        if values:
            means[one.name] = spell(float(np.mean(values)))
    return means


def _test_column(summary: Summary) -> str:
    return f"test/{summary.measure.partition('/')[2]}"


def effects_of(key: str, ranked: list[Configuration]) -> list[Effect]:
    """Returns the values of a key with the median score of the configurations that have each, sorted by value;
    configurations of which jobs failed or are missing are left out."""
    groups: dict[str, list[float]] = {}
    for one in ranked:
        if one.is_complete and key in one.values:
            groups.setdefault(one.values[key], []).append(one.mean)
    middles = {value: float(np.median(scores)) for value, scores in groups.items()}
    low, high = min(middles.values(), default=0.0), max(middles.values(), default=0.0)
    effects = []
    for value, middle in middles.items():
        share = (middle - low) / (high - low) if high > low else 0.5
        best, *_ = groups[value]  # of ranked configurations
        effects.append(Effect(value, middle, best, len(groups[value]), share))

    def place(effect: Effect) -> tuple[float, str]:
        number = as_number(effect.value)
        return (math.inf, effect.value) if number is None else (number, "")

    return sorted(effects, key=place)


def is_repeated(key: str, ranked: list[Configuration]) -> bool:
    """Tells whether several configurations share a value of a key, so that its values can be compared."""
    values = [one.values[key] for one in ranked if key in one.values]
    return len(set(values)) <= len(values) / 2


def spell_score(one: Configuration) -> str:
    """Returns mean and standard deviation of a configuration's scores, and over how many repeats."""
    if one.deviation is None:
        return spell(one.mean)
    return f"{spell(one.mean)} ± {spell(one.deviation)} over {len(one.scores)} repeats"


def spell(value: object) -> str:
    """Returns a cell as text, with a dash for a missing value."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
