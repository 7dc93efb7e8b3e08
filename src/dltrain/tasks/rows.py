"""Writes predictions.csv and examples/ of a run."""

from __future__ import annotations

import numpy as np
import torch
from safetensors.torch import save_file

from dltrain.runs.folder import RunDir
from dltrain.runs.tables import safe_cell
from dltrain.storage import make_folder, write_csv
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.task import Task
from dltrain.types import Split

EXAMPLES = 64
LONGEST_TEXT = 500  # characters of an example


def write_predictions(run: RunDir, task: Task, split: Split, predictions: Predictions) -> None:
    """Writes predictions.csv, with the columns of the task."""
    head, cells = task.table(split, predictions)
    write_csv(run.predictions, head, cells)


def write_examples(run: RunDir, task: Task, split: Split, predictions: Predictions) -> None:
    """Writes up to 64 samples, half of them the worst: stored inputs, and a table of true and predicted values."""
    errors = task.errors(split, predictions)
    count = min(EXAMPLES, len(errors))
    worst = np.argsort(-errors, kind="stable")[: (count + 1) // 2]
    others = np.setdiff1d(np.arange(len(errors)), worst)
    spread = others[(np.arange(count - len(worst)) * len(others)) // max(1, count - len(worst))]
    chosen = np.concatenate([worst, spread])

    make_folder(run.examples)
    index = torch.from_numpy(chosen)
    tensors = {f"input_{number}": tensor[index].contiguous() for number, tensor in enumerate(split.inputs)}
    save_file(tensors, run.examples / "inputs.safetensors")
    lines = []
    for row, pair in zip(chosen.tolist(), task.spell_pairs(split, predictions, chosen.tolist()), strict=True):
        text_cell = [safe_cell(split.texts[row][:LONGEST_TEXT])] if split.texts else []
        lines.append([safe_cell(split.ids[row]), *pair, f"{errors[row]:.6g}", *text_cell])
    head = ["id", "true", "predicted", "error", *(["text"] if split.texts else [])]
    write_csv(run.examples / "examples.csv", head, lines)
