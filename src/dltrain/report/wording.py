"""Numbers and sentences as a reader wants them."""

from __future__ import annotations

import math
from typing import Any

from dltrain.report.reading import SPLIT_WORDS, Run

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
}
MINUS = str.maketrans("-", "−")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
UNTRAINED = {
    "test": "that were never trained on",
    "val": "that were not trained on, though the best epoch may have been chosen by them",
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


def answer(run: Run) -> tuple[str, str]:
    """What came out, as a short claim and what it rests on."""
    result, split = run.result, run.shown_split
    metrics = result.get(split) or {}
    names = ("accuracy",) if run.facts.classes else ("rmse", "r2")
    if run.facts.task == "next_token":
        names = ("bits_per_character", "perplexity")
    said = [f"{NAMES[name]} {spell(metrics[name], 3)}" for name in names if metrics.get(name) is not None]
    samples = count(result["data"]["splits"][split], f"{SPLIT_WORDS[split]} sample")
    if not said:
        return "No finite result", f"on {samples}."
    return " and ".join(said), f"on {samples} {UNTRAINED[split]}."


def best_epoch(run: Run) -> str:
    """Which epoch's weights are meant, and why these."""
    best, epochs, monitor = (run.result.get(key) for key in ("best_epoch", "epochs", "monitor"))
    if not best or not epochs:
        return ""
    if run.result.get("keep") == "last":
        return f"Weights of the last of {epochs} epochs."
    hint = " It was the last one, so training longer may help." if best == epochs > 1 else ""
    return f"Best epoch {best} of {epochs} by {monitor}.{hint}"
