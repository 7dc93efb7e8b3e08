"""The answer of a run in a sentence: the result with which a page begins, and the samples behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dltrain.drawing.wording import count, spell
from dltrain.runs.reader import Run
from dltrain.tasks.metric_table import describe_metric, read_declared
from dltrain.tasks.registry import page_of

UNTRAINED = {
    "test": "that were never trained on",
    "val": "that were not trained on",
    "train": "that the model was trained on; how well it does on others is not known",
}


def label(run: Run, metric: str) -> str:
    """Returns a metric's name for readers."""
    return describe_metric(metric, read_declared(run.result.metrics)).label


def chose_the_epoch(run: Run) -> bool:
    """Tells whether the validation split decided which epoch's weights were stored."""
    return run.result.keep != "last" and run.result.monitor.startswith("val/")


def answer(run: Run) -> tuple[str, str]:
    """Returns the result as a short claim, and the samples behind it as the rest of the sentence."""
    split, page = run.shown_split, page_of(run.facts)
    metrics = run.result.of_split(split)
    values = [
        f"{label(run, name)} {spell(metrics[name], 3)}"
        for name in page.answer(metrics)
        if metrics.get(name) is not None
    ]
    samples = count(run.result.data.splits[split], f"{run.shown_words} sample")
    if not values:
        return "No finite result", f"on {samples}."
    if run.is_of_new_data:
        return _claim(values, mean=page.is_mean), _new_samples(run.result.evaluation or {})
    basis = UNTRAINED[split]
    if chose_the_epoch(run) and split == "val":
        basis += ", but decided which epoch is best"
    return _claim(values, mean=page.is_mean), f"on {samples} {basis}."


def _claim(values: Sequence[str], *, mean: bool) -> str:
    return ("Mean " if mean else "") + " and ".join(values)


def _new_samples(evaluation: Mapping[str, Any]) -> str:
    """Returns which samples an evaluation was of, and how many of them the model was trained on, if that is known."""
    trained, samples = evaluation.get("trained"), int(evaluation["samples"])
    of = f"on {count(samples, 'sample')} of {evaluation['source']}"
    if trained is None:
        return f"{of}."
    if not trained:
        return f"{of}, none of which is exactly one that the model was trained on."
    return f"{of}; the model was trained on {trained:,} of them."


def best_epoch(run: Run) -> str:
    """Returns a sentence about which epoch's weights were stored, and why."""
    best, epochs, monitor = run.result.best_epoch, run.result.epochs, run.result.monitor
    if not best or not epochs:
        return ""
    if run.result.keep == "last":
        return f"Weights of the last of {epochs} epochs."
    hint = " It was the last one, so more epochs may help." if best == epochs > 1 else ""
    return f"Best epoch {best} of {epochs} by {monitor}.{hint}"
