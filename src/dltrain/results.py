"""What a finished run says of itself: result.json, predictions.csv and examples/, all from the best weights."""

from __future__ import annotations

import csv
import hashlib
import logging
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from io import StringIO
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

import dltrain
from dltrain.baselines.plain import Baseline
from dltrain.build import Setup, examine_data, load_baselines
from dltrain.explain.explanation import Explanation, explain, write_projection
from dltrain.metrics import confusion, regression_errors
from dltrain.models.window_scale import name_of
from dltrain.rundir import SCHEMA, RunDir, make_folder, read_json, write_json, write_text
from dltrain.tasks.ranking import places_of_truth, scored_by
from dltrain.tasks.task import Predictions
from dltrain.training.loop import evaluate_fully
from dltrain.types import Data, Facts, Split, SplitName
from dltrain.verdict import Comparison, compare, diagnose
from dltrain.writing import bits_per_character, spelled_windows, with_losses

log = logging.getLogger("dltrain")

EXAMPLES = 64
LONGEST_TEXT = 500  # characters of an example
EXPLAIN_SECONDS = 3.0  # that importance and projection may take
EXPLAIN_SHARE = 0.05  # in a sweep, of the training's time: only the best job's page is read


@dataclass(frozen=True)
class Timing:
    """Where the time went.

    Args:
        began: `perf_counter` when the run began.
        train_seconds: spent in training steps.
        save_seconds: spent on checkpoints.
        in_sweep: whether other jobs are waiting.
    """

    began: float
    train_seconds: float
    save_seconds: float
    in_sweep: bool = False


def save_results(run: RunDir, setup: Setup, seed: int, timing: Timing) -> None:
    """Evaluates every split with the weights that the model holds, and writes what there is to say."""
    evaluating = perf_counter()
    metrics: dict[SplitName, dict[str, float]] = {"train": {}, "val": {}, "test": {}}
    predictions: dict[SplitName, Predictions] = {}
    for name, loader in setup.evaluation.items():
        metrics[name], said = evaluate_fully(setup.state.judged, setup.task, loader, setup.settings.precision)
        places = places_of_truth(setup.data, name, scored_by(setup.state.judged, setup.device))
        if places is not None:
            said = replace(said, places=places)
            metrics[name] |= setup.task.finish(said, setup.data.splits[name].target)
        predictions[name] = said
    evaluation_seconds = perf_counter() - evaluating

    shown = held_out(setup.data)
    split, facts = setup.data.splits[shown], setup.data.facts
    if setup.task.each_position:
        loader = setup.evaluation[shown]
        predictions[shown] = with_losses(setup.state.judged, loader, predictions[shown])
    write_predictions(run, facts, split, predictions[shown])
    write_examples(run, facts, split, predictions[shown])
    state = setup.state
    explaining = perf_counter()
    explained = explain_result(
        run, setup, shown, EXPLAIN_SHARE * timing.train_seconds if timing.in_sweep else EXPLAIN_SECONDS
    )
    explain_seconds = perf_counter() - explaining
    plain, comparison = compare_with_baselines(setup, shown, predictions[shown])
    # Where the last weights are kept, the rate falls to nothing: that the end is the best says nothing then.
    best_epoch = state.best_epoch if setup.settings.keep == "best" else 0
    diagnosis = diagnose(run.read_history(), best_epoch, setup.settings.last_epoch)
    write_json(
        run.result,
        {
            "schema": SCHEMA,
            "train": metrics["train"],
            "val": metrics["val"],
            "test": metrics["test"],
            "outputs": metrics_by_output(facts, predictions[shown], split),
            "baseline": {baseline.name: baseline.metrics for baseline in plain},
            "comparison": None if comparison is None else asdict(comparison),
            "diagnosis": diagnosis,
            "doctor": [asdict(finding) for finding in examine_data(setup.data_node)],
            "importance": [asdict(one) for one in explained.importance],
            "projection": _axes(explained),
            "shown_split": shown,
            "monitor": setup.settings.monitor,
            "best_epoch": state.best_epoch,
            "keep": setup.settings.keep,
            "epochs": state.epoch,
            "parameters": sum(parameter.numel() for parameter in state.model.parameters()),
            "seconds": perf_counter() - timing.began,
            "train_seconds": timing.train_seconds,
            "evaluation_seconds": evaluation_seconds,
            "save_seconds": timing.save_seconds,
            "explain_seconds": explain_seconds,
            "baseline_seconds": sum(baseline.seconds for baseline in plain),
            "samples_per_second": state.samples / timing.train_seconds,
            "device": str(setup.device),
            "threads": torch.get_num_threads(),
            "seed": seed,
            "versions": versions(),
            "git": git_commit(),
            "data": {
                "fingerprint": read_json(run.facts)["fingerprint"],
                "rows": sum(map(len, setup.data.splits.values())),
                "splits": {name: len(part) for name, part in setup.data.splits.items()},
            },
        },
    )
    words = "  ".join(f"{name} {value:.4g}" for name, value in metrics[shown].items())
    chosen = "the last" if setup.settings.keep == "last" else f"the best by {setup.settings.monitor}"
    log.info("%-7s %s  (epoch %d, %s)", shown, words, state.best_epoch, chosen)
    for sentence in ([comparison.words] if comparison else []) + diagnosis:
        log.info("        %s", sentence)


def compare_with_baselines(
    setup: Setup, split: SplitName, predictions: Predictions
) -> tuple[tuple[Baseline, ...], Comparison | None]:
    """What plain methods reach on a held-out split, and the model against the best of them."""
    if split == "train" or setup.settings.limit_batches is not None:
        return (), None
    plain = load_baselines(setup.data_node, split, setup.baseline)
    name = name_of(setup.state.model)
    return plain, compare(name, setup.data.facts, setup.data.splits[split].target, predictions, plain)


def explain_result(run: RunDir, setup: Setup, split: SplitName, seconds: float) -> Explanation:
    """What the model rests on and how the split's samples lie, the latter written to projection.csv."""
    if setup.settings.limit_batches is not None:
        return Explanation()
    try:
        found = explain(setup.state.judged, setup.task, setup.data.facts, setup.evaluation[split], seconds)
    except Exception as error:  # whatever a user's model does here, it is trained and its result is wanted
        log.warning("the model cannot be explained: %s: %s", type(error).__name__, error)
        return Explanation()
    if found.projection is not None:
        write_projection(run.projection, found.projection)
    return found


def _axes(explained: Explanation) -> dict[str, Any] | None:
    """What the two coordinates of projection.csv are."""
    found = explained.projection
    return None if found is None else {"explained": list(found.explained), "source": found.source}


def held_out(data: Data) -> SplitName:
    """The split that predictions are shown of: test, else val, else train."""
    names: tuple[SplitName, ...] = ("test", "val", "train")
    return next(name for name in names if name in data.splits)


def write_predictions(run: RunDir, facts: Facts, split: Split, predictions: Predictions) -> None:
    """Writes predictions.csv: id, true, predicted, and for classification the score of each class.

    Of windows of a corpus it writes what stands there, the likeliest tokens and the bits per character.
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
    windows = spelled_windows(facts, split, predictions) if facts.task == "next_token" else []
    for index in chosen.tolist():
        if windows:
            shown = [safe_cell(text) for text in windows[index]]
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
    the mean of these in standard deviations; the bits per character of a window of a corpus.
    """
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


def described(data: Data) -> dict[str, Any]:
    """What facts.json holds: the facts, what was inferred, and the data's fingerprint."""
    return {"schema": SCHEMA} | asdict(data.facts) | {"notes": list(data.notes), "fingerprint": fingerprint(data)}


def fingerprint(data: Data) -> str:
    """SHA-256 of all samples and their targets, split by split."""
    digest = hashlib.sha256()
    for name, split in sorted(data.splits.items()):
        digest.update(name.encode())
        for tensor in (*split.inputs, split.target):
            digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    return {
        "dltrain": dltrain.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def git_commit() -> str | None:
    """The commit that the working directory stands at, with `+` where files differ from it."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"],
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() or None
