"""predictions.csv and examples/: what a run says of single samples."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from dltrain.kinds.corpus.sampling import bits_per_character, spelled_windows
from dltrain.runs.folder import RunDir, make_folder, write_text
from dltrain.tasks.metrics import confusion, regression_errors
from dltrain.tasks.task import Predictions
from dltrain.types import Facts, Split

EXAMPLES = 64
LONGEST_TEXT = 500  # characters of an example


def write_predictions(run: RunDir, facts: Facts, split: Split, predictions: Predictions) -> None:
    """Writes predictions.csv: id, true, predicted, and for classification the score of each class.

    Of windows of a corpus it writes what stands there, the likeliest tokens and the bits per character.
    Of items in order it writes the user, the chosen item, the one that comes first, and the chosen one's place.
    Of several outputs or labels each has its own columns: true_NAME, predicted_NAME, and for a label score_NAME.
    """
    values = predictions.values.flatten().tolist()
    true = split.target.flatten().tolist()[: len(values)]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if facts.task == "next_token":
        writer.writerow(["id", "true", "predicted", "bits_per_character"])
        bits = bits_per_character(facts, split, predictions).tolist()
        for sample, texts, error in zip(split.ids, spelled_windows(facts, split, predictions), bits, strict=False):
            writer.writerow([safe_cell(sample), *map(safe_cell, texts), f"{error:.6g}"])
    elif predictions.places is not None:
        writer.writerow(["id", facts.features[0], "true", "predicted", "place"])
        cells = zip(*_named_pairs(facts, split, predictions), predictions.places.tolist(), strict=True)
        for sample, (user, chosen, first, place) in zip(split.ids, cells, strict=True):
            writer.writerow([safe_cell(sample), *map(safe_cell, (user, chosen, first)), f"{place:g}"])
    elif facts.outputs:
        _write_outputs(writer, facts, split, predictions)
    elif facts.classes:
        assert predictions.probabilities is not None
        writer.writerow(["id", "true", "predicted", *(f"score_{name}" for name in facts.classes)])
        labels = [safe_cell(name) for name in facts.classes]
        for row, (sample, t, p) in enumerate(zip(split.ids, true, values, strict=False)):
            scores = [f"{score:.6g}" for score in predictions.probabilities[row].tolist()]
            writer.writerow([safe_cell(sample), labels[t], labels[p], *scores])
    else:
        writer.writerow(["id", "true", "predicted"])
        for sample, t, p in zip(split.ids, true, values, strict=False):
            writer.writerow([safe_cell(sample), f"{t:.9g}", f"{p:.9g}"])
    write_text(run.predictions, text.getvalue())


def _named_pairs(facts: Facts, split: Split, predictions: Predictions) -> tuple[list[str], list[str], list[str]]:
    """The id of each sample's user, of its item, and of the item that comes first; empty where it is not known."""
    users, items = (["", *facts.preprocessing[name]] for name in ("users", "items"))
    user, item = (tensor.tolist() for tensor in split.inputs)
    first = predictions.values.flatten().tolist()
    return [users[at] for at in user], [items[at] for at in item], [items[at] for at in first]


def metrics_by_output(facts: Facts, predictions: Predictions, split: Split) -> dict[str, dict[str, float]]:
    """The metrics of each of several numbers or labels; nothing where there is one output."""
    target = split.target[: len(predictions.values)]
    found = {}
    for index, name in enumerate(facts.outputs):
        metric = confusion(2) if facts.task == "multilabel" else regression_errors(float(target[:, index].mean()))
        found[name] = metric.compute(metric.update(predictions.values[:, index], target[:, index]))
    return found


def _write_outputs(writer: Any, facts: Facts, split: Split, predictions: Predictions) -> None:
    scores = predictions.probabilities
    kinds = ("true", "predicted") if scores is None else ("true", "predicted", "score")
    writer.writerow(["id", *(f"{kind}_{name}" for name in facts.outputs for kind in kinds)])
    parts = [split.target[: len(predictions.values)], predictions.values, *([] if scores is None else [scores])]
    for sample, *row in zip(split.ids, *(part.tolist() for part in parts), strict=False):
        cells = [f"{value:.9g}" for values in zip(*row, strict=True) for value in values]
        writer.writerow([safe_cell(sample), *cells])


def write_examples(run: RunDir, facts: Facts, split: Split, predictions: Predictions) -> None:
    """Writes up to 64 samples, half of them the worst, as the model's stored inputs and as a table of what it said."""
    errors = error_of_each(facts, split, predictions)
    count = min(EXAMPLES, len(errors))
    worst = np.argsort(-errors, kind="stable")[: (count + 1) // 2]
    others = np.setdiff1d(np.arange(len(errors)), worst)
    spread = others[(np.arange(count - len(worst)) * len(others)) // max(1, count - len(worst))]
    chosen = torch.from_numpy(np.concatenate([worst, spread]))

    make_folder(run.examples)
    tensors = {f"input_{number}": tensor[chosen].contiguous() for number, tensor in enumerate(split.inputs)}
    save_file(tensors, run.examples / "inputs.safetensors")
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "true", "predicted", "error", *(["text"] if split.texts else [])])
    names = [safe_cell(name) for name in facts.classes]
    spelled: Sequence[tuple[str, str]] = []
    if facts.task == "next_token":
        spelled = spelled_windows(facts, split, predictions)
    elif predictions.places is not None:
        spelled = list(zip(*_named_pairs(facts, split, predictions)[1:], strict=True))
    for index in chosen.tolist():
        if spelled:
            shown = [safe_cell(text) for text in spelled[index]]
        else:
            shown = [_spelled(values[index], facts, names) for values in (split.target, predictions.values)]
        said = [safe_cell(split.texts[index][:LONGEST_TEXT])] if split.texts else []
        writer.writerow([safe_cell(split.ids[index]), *shown, f"{errors[index]:.6g}", *said])
    write_text(run.examples / "examples.csv", text.getvalue())


def _spelled(value: torch.Tensor, facts: Facts, names: Sequence[str]) -> str:
    """A target or a prediction in a cell: a class, a number, the numbers, or the labels that a sample has."""
    if names:
        return names[int(value)]
    numbers = value.flatten().tolist()
    if facts.task == "multilabel":
        return safe_cell(", ".join(name for name, has in zip(facts.outputs, numbers, strict=True) if has))
    return ", ".join(f"{number:.9g}" for number in numbers)


def error_of_each(facts: Facts, split: Split, predictions: Predictions) -> NDArray[np.float64]:
    """How wrong each prediction is, `(N,)`.

    It is what probability the true class lacks, of labels the mean of that; the absolute error, or of several numbers
    the mean of these in standard deviations; the bits per character of a window of a corpus; the place of a chosen
    item.
    """
    if predictions.places is not None:
        return np.asarray(predictions.places)
    if facts.task == "next_token":
        return np.asarray(bits_per_character(facts, split, predictions))
    target = split.target[: len(predictions.values)]
    scores = predictions.probabilities
    if scores is None:
        errors = (predictions.values - target).abs().double()
        if not facts.outputs:
            return np.asarray(errors.flatten())
        return np.asarray((errors / torch.tensor(facts.target_std, dtype=torch.float64)).mean(dim=1))
    if facts.task == "multilabel":
        return np.asarray((target - scores).abs().mean(dim=1).double())
    return 1 - np.asarray(scores.gather(1, target[:, None]).flatten().double())


def safe_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe goes before = + - @ and control characters."""
    if text[:1] not in ("=", "+", "-", "@", "\t", "\r"):
        return text
    try:
        float(text)
    except ValueError:
        return "'" + text
    return text
