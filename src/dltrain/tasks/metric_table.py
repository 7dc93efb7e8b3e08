"""The table of metrics: the label, direction, unit and range of each, and whether it is shown first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Better = Literal["min", "max"]
Unit = Literal["", "share", "percent", "target", "squared target", "bits"]


@dataclass(frozen=True)
class MetricInfo:
    """The description of a metric.

    Args:
        label: its name for readers.
        better: whether smaller (`min`) or larger (`max`) values are better.
        unit: `share` of a whole, `percent`, `bits`, `target` for the target's own unit or its square, or empty.
        low: smallest possible value, if there is one.
        high: largest possible value, if there is one.
        headline: whether it is shown first: on the progress line, in a leaderboard, when runs are compared.
    """

    label: str
    better: Better
    unit: Unit = ""
    low: float | None = None
    high: float | None = None
    headline: bool = False


def _share(label: str, better: Better = "max", headline: bool = False) -> MetricInfo:
    """Describes a metric between 0 and 1."""
    return MetricInfo(label, better, "share", 0.0, 1.0, headline)


# In the order in which they are shown.
METRICS: Mapping[str, MetricInfo] = {
    "loss": MetricInfo("Loss", "min"),
    "exact": _share("Exactly right", headline=True),
    "accuracy": _share("Accuracy", headline=True),
    "precision": _share("Precision"),
    "recall": _share("Recall"),
    "f1": _share("F1"),
    "roc_auc": _share("ROC AUC"),
    "hamming_loss": MetricInfo("Hamming loss", "min", "", 0.0, 1.0),
    "above_noise": _share("Above noise", headline=True),
    "odd_one_out": _share("Odd one out", headline=True),
    "word_pairs": _share("Word pairs", headline=True),
    "mse": MetricInfo("MSE", "min", "squared target", 0.0),
    "rmse": MetricInfo("RMSE", "min", "target", 0.0, headline=True),
    "mae": MetricInfo("MAE", "min", "target", 0.0),
    "smape": MetricInfo("sMAPE (%)", "min", "percent", 0.0, 200.0),
    "mase": MetricInfo("MASE", "min", "", 0.0),
    "rmsse": MetricInfo("RMSSE", "min", "", 0.0),
    "r2": MetricInfo("R²", "max", "", None, 1.0),
    "character_error_rate": MetricInfo("Character error rate", "min", "", 0.0),
    "token_accuracy": _share("Token accuracy"),
    "bleu": MetricInfo("BLEU", "max", "", 0.0, 100.0),
    "chrf": MetricInfo("chrF", "max", "", 0.0, 100.0),
    "bits_per_character": MetricInfo("Bits per character", "min", "bits", 0.0, headline=True),
    "perplexity": MetricInfo("Perplexity", "min", "", 1.0),
    "ndcg@10": MetricInfo("NDCG@10", "max", "", 0.0, 1.0, headline=True),
    "hit_rate@10": MetricInfo("Hit rate@10", "max", "", 0.0, 1.0),
    "recall@10": MetricInfo("Recall@10", "max", "", 0.0, 1.0),
}

Declared = Mapping[str, MetricInfo]  # metrics of the user's own, by name


def describe_metric(name: str, declared: Declared | None = None) -> MetricInfo:
    """Returns the description of a metric; an undeclared one counts as better when smaller.

    Args:
        name: of the metric, with or without its split: `rmse` or `val/rmse`.
        declared: metrics of the user's own, as a run records them.
    """
    own = name.split("/")[-1]
    info = (declared or {}).get(own) or METRICS.get(own)
    return info or MetricInfo(own.replace("_", " ").capitalize(), "min")


def read_declared(stored: Mapping[str, Any]) -> Declared:
    """Returns the descriptions of the user's own metrics that a result records; unreadable ones are left out."""
    declared = {}
    for name, values in stored.items():
        try:
            declared[name] = MetricInfo(**values)
        except TypeError:
            continue
    return declared


def is_larger_better(name: str, declared: Declared | None = None) -> bool:
    """Tells whether larger values of a metric are better."""
    return describe_metric(name, declared).better == "max"


def headline_of(names: Iterable[str], declared: Declared | None = None) -> str | None:
    """Returns which of the measured metrics is shown first; the loss if there is no other, `None` if there is none."""
    measured = list(names)
    ordered = [name for name in [*(declared or {}), *METRICS] if name in measured]
    first = next((name for name in ordered if describe_metric(name, declared).headline), None)
    return first or next((name for name in ordered if name != "loss"), "loss" if "loss" in measured else None)
