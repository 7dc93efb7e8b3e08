"""Numbers and sentences as a reader wants them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from dltrain.runs.reader import SPLIT_WORDS, Run
from dltrain.types import Facts

NAMES = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "mse": "MSE",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "perplexity": "Perplexity",
    "bits_per_character": "Bits per character",
    "hamming_loss": "Hamming loss",
    "smape": "sMAPE (%)",
    "hit_rate@10": "Hit rate@10",
    "ndcg@10": "NDCG@10",
    "recall@10": "Recall@10",
}
LOW_IS_GOOD = ("loss", "mse", "rmse", "mae", "smape", "perplexity", "bits_per_character", "hamming_loss")
# What says most, of each task; the first decides. Of a task that is not known here it is whatever was measured.
MEASURES = {
    "classification": ("accuracy", "f1", "roc_auc"),
    "multilabel": ("accuracy", "f1", "roc_auc"),
    "next_token": ("bits_per_character", "perplexity"),
    "regression": ("rmse", "mae", "r2"),
    "rating": ("rmse", "mae", "r2"),
    "ranking": ("ndcg@10", "hit_rate@10"),
    "forecasting": ("rmse", "mae", "smape", "r2"),
}
ANSWERS = {"classification": ("accuracy",), "regression": ("rmse", "r2"), "ranking": ("hit_rate@10",)}
WORDS_OF_CODES = {"true", "false", "yes", "no", "on", "off", "是", "否"}
CODE = re.compile(r"[-+]?\d+(\.\d+)?|[A-Za-z]")
MINUS = str.maketrans("-", "−")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
UNTRAINED = {
    "test": "that were never trained on",
    "val": "that were not trained on",
    "train": "that it was trained on: how well it does on others is not known",
}


def spell(value: Any, digits: int = 4) -> str:
    """A number with about that many significant digits, an en dash where there is none; never 1 for less than 1."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size and (size < 1e-4 or size >= 1e9):
        mantissa, exponent = f"{value:.{digits - 2}e}".split("e")
        return f"{mantissa.translate(MINUS)}×10{str(int(exponent)).translate(RAISED)}"
    if size >= 10 ** (digits - 1):
        return f"{value:,.0f}".translate(MINUS)
    magnitude = math.floor(math.log10(size)) if size else 0
    decimals = max(digits, digits - 2 - magnitude) if magnitude < 0 else digits - 1 - magnitude
    while size < 1 and round(size, decimals) == 1:
        decimals += 1
    return f"{value:.{decimals}f}".translate(MINUS)


def spell_seconds(seconds: float) -> str:
    """A duration in its two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def count(number: int, noun: str) -> str:
    """The number with its noun, in the plural where it is not 1."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def name_metric(name: str) -> str:
    """A metric's name as a reader knows it."""
    return NAMES.get(name, name.replace("_", " ").capitalize())


def measures(facts: Facts, metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """The metrics that say most, those first that decide; of several numbers' units only R² is free."""
    if facts.task == "regression" and facts.outputs:
        return ("r2",)
    return MEASURES.get(facts.task) or tuple(name for name in metrics if name != "loss")[:3] or tuple(metrics)[:1]


def name_class(facts: Facts, index: int) -> str:
    """The class, with the target's name where its own is a bare code: `Survived = 1`, but `virginica`."""
    name = facts.classes[index]
    return f"{facts.target} = {name}" if is_code(name) else name


def is_code(name: str) -> bool:
    """Whether a class's name says nothing without the target's: a number, a Latin letter, yes or no."""
    return bool(CODE.fullmatch(name)) or name.casefold() in WORDS_OF_CODES


def loss_of_shuffling(run: Run) -> tuple[str, float]:
    """What a column's importance is counted in, and by how much its stored number is to be multiplied for that."""
    if run.facts.task == "regression":
        if run.facts.outputs:
            return "R² lost, the mean over the outputs", 1.0
        return f"RMSE added, in the unit of {run.facts.target}", 1.0
    return "points of accuracy lost", 100.0


def chose_the_epoch(run: Run) -> bool:
    """Whether the validation split decided whose weights are measured."""
    return run.result.get("keep") != "last" and str(run.result.get("monitor")).startswith("val/")


def answer(run: Run) -> tuple[str, str]:
    """What came out, as a short claim and what it rests on."""
    result, split, facts = run.result, run.shown_split, run.facts
    metrics = result.get(split) or {}
    names = measures(facts, metrics)[:2] if facts.outputs else ANSWERS.get(facts.task) or measures(facts, metrics)[:2]
    said = [f"{name_metric(name)} {spell(metrics[name], 3)}" for name in names if metrics.get(name) is not None]
    samples = count(result["data"]["splits"][split], f"{SPLIT_WORDS[split]} sample")
    if not said:
        return "No finite result", f"on {samples}."
    basis = UNTRAINED[split] + (", though the best epoch was chosen by them" if split == "val" else "")
    mean = "Mean " if facts.task == "regression" and len(facts.outputs) > 1 else ""
    return mean + " and ".join(said), f"on {samples} {basis if chose_the_epoch(run) else UNTRAINED[split]}."


def best_epoch(run: Run) -> str:
    """Which epoch's weights are meant, and why these."""
    best, epochs, monitor = (run.result.get(key) for key in ("best_epoch", "epochs", "monitor"))
    if not best or not epochs:
        return ""
    if run.result.get("keep") == "last":
        return f"Weights of the last of {epochs} epochs."
    hint = " It was the last one, so training longer may help." if best == epochs > 1 else ""
    return f"Best epoch {best} of {epochs} by {monitor}.{hint}"
