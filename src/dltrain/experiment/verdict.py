"""Explains the curves of a training in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def diagnose(
    history: Sequence[Mapping[str, float]], best_epoch: int, epochs: int, *, dropout: bool = True, solved: bool = False
) -> list[str]:
    """Returns sentences about over-fitting, under-fitting and stopping too early, with what to try.

    Args:
        history: one row per epoch, with `train/loss` and perhaps `val/loss`.
        best_epoch: the epoch whose weights were kept, counted from 1.
        epochs: the maximum number of epochs.
        dropout: whether the model's config has this key.
        solved: whether a part of the model is as good as it gets before training begins.
    """
    if len(history) < 5:
        return []
    tail = history[-max(1, len(history) // 10) :]
    train_start, train_end = history[0]["train/loss"], float(np.mean([row["train/loss"] for row in tail]))
    curve = "val/loss" if "val/loss" in history[-1] else "train/loss"
    values = np.array([row[curve] for row in history])
    lowest, end = float(values.min()), float(np.mean([row[curve] for row in tail]))
    sentences = []
    at_lowest = history[int(values.argmin())]["train/loss"]
    if curve == "val/loss" and end > lowest + 0.25 * abs(lowest) and train_end < at_lowest:
        sentences.append(
            f"over-fitting: after epoch {int(values.argmin()) + 1} the training loss still fell from {at_lowest:.3g} "
            f"to {train_end:.3g}, while the validation loss rose from {lowest:.3g} to {end:.3g}; try more data, "
            f"{'model.dropout, ' if dropout else ''}a larger optimizer.weight_decay or a smaller model"
        )
    recent = float(np.mean(values[-max(2, len(values) // 5) : -len(tail)])) if len(values) > 2 * len(tail) else end
    if len(history) == epochs and best_epoch > 0.9 * epochs and end < recent - 0.02 * abs(recent):
        sentences.append(f"the model was still improving when training ended: try trainer.epochs={2 * epochs}")
    if train_end > 0.95 * train_start and not solved:
        sentences.append(
            f"under-fitting: the training loss hardly fell, from {train_start:.3g} to {train_end:.3g}; try another "
            "optimizer.lr, a larger model or more epochs"
        )
    return sentences
