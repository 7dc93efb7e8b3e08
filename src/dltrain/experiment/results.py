"""Writes the results of a finished run: result.json, predictions.csv and examples/, all from the best weights."""

from __future__ import annotations

import hashlib
import inspect
import logging
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as safetensors_bytes

import dltrain
from dltrain.data.stored import in_parts
from dltrain.errors import DltrainError, OutOfMemory
from dltrain.experiment.baselines import rows_measured
from dltrain.experiment.build import Setup
from dltrain.experiment.examples import (
    TOLERANCE,
    outputs_of,
    read_errors,
    read_inputs,
    read_outputs,
    record_outputs,
)
from dltrain.experiment.learned_elsewhere import compare_origins, frozen_features
from dltrain.experiment.reload import check_reload
from dltrain.experiment.targets import resolve
from dltrain.experiment.verdict import diagnose
from dltrain.explain.explanation import MAPS, Explanation, write_projection
from dltrain.kinds.checks import Finding
from dltrain.models.names import class_of, name_of
from dltrain.models.ridge import solved_parts
from dltrain.runs.folder import SCHEMA, RunDir, read_json
from dltrain.runs.provenance import basis_of
from dltrain.runs.result import DataRecord, Result
from dltrain.runs.tables import safe_cell
from dltrain.storage import write_bytes, write_csv
from dltrain.tasks.certainty import describe as describe_certainty
from dltrain.tasks.comparison import FEWEST_COMPARED, Baseline, Comparison, Contest
from dltrain.tasks.evaluation import EvaluationSet
from dltrain.tasks.predictions import Predictions
from dltrain.tasks.registry import page_of
from dltrain.tasks.rows import write_examples, write_predictions
from dltrain.tasks.wrong_labels import describe_wrong_labels
from dltrain.training.blending import Blending, Choice, choose_blend
from dltrain.training.checkpoint import load_weights, pointed
from dltrain.training.random_state import undisturbed
from dltrain.types import Data, Split, SplitName

log = logging.getLogger("dltrain")

EXPLAIN_SECONDS = (1.5, 3.0)  # limits for importance and projection, by the training's time
EXPLAINED = 4  # examples with the largest errors, and as many with the smallest
EXPLAIN_SHARE = 0.05  # of the training's time; in a sweep without a least, since only the best job's page is read


@dataclass(frozen=True)
class Timing:
    """The times of a run, in seconds.

    Args:
        began: `perf_counter` when the run began.
        train_seconds: time in training steps.
        save_seconds: time for checkpoints.
        in_sweep: whether other jobs are waiting.
        reads_test: whether the test split is evaluated; the jobs of a sweep leave it until one of them is chosen.
        has_baselines: whether baselines are measured; of a sweep whose test split is read for the chosen jobs, those of
            the best job alone.
        verbosity: the log level of the result.
    """

    began: float
    train_seconds: float
    save_seconds: float
    in_sweep: bool = False
    reads_test: bool = True
    has_baselines: bool = True
    verbosity: int = logging.INFO


def save_results(run: RunDir, setup: Setup, seed: int, timing: Timing) -> None:
    """Evaluates every split with the model's current weights, and writes result, predictions and examples."""
    data, task, state = setup.data, setup.task, setup.state
    splits = {name: part for name, part in setup.splits.items() if timing.reads_test or name != "test"}
    split_name = held_out(splits)
    evaluating = perf_counter()
    metrics: dict[SplitName, dict[str, float]] = {"train": {}, "val": {}, "test": {}}
    predictions: dict[SplitName, Predictions] = {}
    for name in splits:
        thorough = name in ("val", split_name)  # on all training samples some metrics would take too long
        on = EvaluationSet(setup.evaluation[name], splits[name], data.kept, setup.settings.precision, thorough)
        metrics[name], predictions[name] = task.evaluate(state.judged, on)
        if name == "train":
            predictions[name] = replace(predictions[name], outputs=None)  # of many samples, and not needed
    blend = chosen_blend(setup)
    certainty = learn_certainty(setup, predictions)
    predictions = {name: task.calibrated(part) for name, part in predictions.items()}
    evaluation_seconds = perf_counter() - evaluating

    with setup.profile.measure("evaluate"):
        wrong_labels = find_wrong_labels(run, setup, predictions)

    split = splits[split_name]
    with setup.profile.measure("save"):
        write_predictions(run, task, split, predictions[split_name])
        write_examples(run, task, split, predictions[split_name])
        record_outputs(run, state.judged, task, data.prepare, setup.settings.precision, setup.device)
        unlike = why_unlike(run, setup)
    if unlike:
        run.write_status("running", warning=unlike)
        log.warning("warning %s", unlike)
    explaining = perf_counter()
    least, most = EXPLAIN_SECONDS
    seconds = min(most, max(least, EXPLAIN_SHARE * timing.train_seconds))
    explained = explain_result(
        run, setup, split_name, EXPLAIN_SHARE * timing.train_seconds if timing.in_sweep else seconds
    )
    if not timing.in_sweep:
        explain_examples(run, setup, seconds)
    explain_seconds = perf_counter() - explaining
    setup.profile.seconds["evaluate"] += evaluation_seconds
    setup.profile.seconds["explain"] = explain_seconds
    with setup.profile.measure("baselines"):
        baselines, comparison = compare_with_baselines(setup, split_name, predictions[split_name], timing)
    origins = compare_origins(setup, metrics[split_name], baselines, comparison)
    # If the last weights are kept, the learning rate falls to zero, and the end is expected to be the best.
    best_epoch = state.best_epoch if setup.settings.keep == "best" else 0
    has_dropout = "dropout" in inspect.signature(class_of(state.model)).parameters
    diagnosis = diagnose(
        run.read_history(),
        best_epoch,
        setup.settings.last_epoch,
        dropout=has_dropout,
        solved=bool(solved_parts(state.model)),
    )
    diagnosis += advise_model(setup, comparison)
    if not timing.has_baselines and setup.baseline.seconds:
        diagnosis.append("baselines are measured for the best job of the sweep alone")
    blended = () if blend is None else (str(blend),)
    Result(
        train=dict(metrics["train"]),
        val=dict(metrics["val"]),
        test=dict(metrics["test"]),
        outputs={name: dict(values) for name, values in task.metrics_by_output(split, predictions[split_name]).items()},
        baseline={baseline.name: dict(baseline.metrics) for baseline in baselines},
        baseline_notes={baseline.name: baseline.note for baseline in baselines if baseline.note},
        comparison=None if comparison is None else asdict(comparison),
        blend=None if blend is None else blend._asdict(),
        diagnosis=(*[unlike] * bool(unlike), *blended, *origins, *setup.notes, *diagnosis),
        doctor=tuple(asdict(finding) for finding in (*setup.source.findings, *wrong_labels)),
        certainty=certainty,
        importance=tuple(asdict(one) for one in explained.importance),
        projection=_axes(explained),
        metrics={name: asdict(info) for name, info in task.metric.info.items()},
        shown_split=split_name,
        monitor=setup.settings.monitor,
        best_epoch=state.best_epoch,
        keep=setup.settings.keep,
        epochs=state.epoch,
        parameters=sum(parameter.numel() for parameter in state.model.parameters()),
        seconds=perf_counter() - timing.began,
        train_seconds=timing.train_seconds,
        evaluation_seconds=evaluation_seconds,
        save_seconds=timing.save_seconds,
        explain_seconds=explain_seconds,
        baseline_seconds=sum(baseline.seconds for baseline in baselines),
        samples_per_second=state.samples / timing.train_seconds if timing.train_seconds else 0.0,
        device=str(setup.device),
        threads=torch.get_num_threads(),
        seed=seed,
        basis=basis_of(run, setup.origin),
        versions=versions(),
        git=git_of_sweep(run.path.parent) if timing.in_sweep else git_commit(),
        data=DataRecord(
            sum(map(len, data.splits.values())),
            {name: len(part) for name, part in setup.splits.items()},
            read_json(run.facts)["fingerprint"],
        ),
    ).write(run)
    words = "  ".join(f"{name} {value:.4g}" for name, value in metrics[split_name].items())
    chosen = "the last" if setup.settings.keep == "last" else f"the best by {setup.settings.monitor}"
    log.log(timing.verbosity, "%-7s %s  (epoch %d, %s)", split_name, words, state.best_epoch, chosen)
    notes = [f"{baseline.words}: {baseline.note}" for baseline in baselines if baseline.note]
    compared = [comparison.words] if comparison else []
    for finding in wrong_labels:
        log.info("%-7s %s", finding.severity, finding)
    omitted = page_of(data.facts).omissions()
    sentences = [*blended, *compared, *origins, *notes, *diagnosis, *describe_certainty(certainty), *omitted]
    for sentence in sentences:
        log.log(timing.verbosity, "        %s", sentence)


def why_unlike(run: RunDir, setup: Setup) -> str:
    """Returns why the run's model is another one when it is built again and loaded from its folder; empty if it is not.

    The trial before training notices most faults; this one shows those that take more steps to appear.
    """
    inputs, recorded = read_inputs(run), read_outputs(run)
    if inputs is None or recorded is None:
        return ""
    precision, device, name = setup.settings.precision, setup.device, name_of(setup.state.model)
    try:
        with undisturbed(device):
            check_reload(
                setup.state.judged,
                lambda: setup.rebuild().to(device),
                load_weights(pointed(run.checkpoints, "best")),
                lambda model: outputs_of(model, setup.task, inputs, setup.data.prepare, precision, device),
                recorded,
                TOLERANCE[precision],
                name,
            )
    except OutOfMemory:
        return ""  # a process that only predicts needs less
    except DltrainError as error:
        return f"the model of this run will not load: {error.what}"
    return ""


def chosen_blend(setup: Setup) -> Choice | None:
    """Returns the blend of a model of several candidates, and what it was chosen by; None for any other model."""
    model = setup.state.judged
    if not isinstance(model, Blending) or "val" not in setup.evaluation:
        return None
    return choose_blend(model, setup.task, setup.evaluation["val"], setup.settings.precision)


def learn_certainty(setup: Setup, predictions: Mapping[SplitName, Predictions]) -> dict[str, Any] | None:
    """Returns what the task learns from the validation split of how sure predictions are, and what of it holds on the
    test split; it goes by it from then on."""
    if setup.settings.limit_batches is not None:
        return None
    splits, task = setup.splits, setup.task
    certainty: dict[str, Any] | None = None
    try:
        certainty = task.learn_certainty(splits, predictions)
        if certainty is not None and "test" in predictions:
            certainty |= {"measured": task.measure_certainty(splits["test"], predictions["test"])}
    except Exception as error:  # the user's code may fail here; the model is trained, and its result is needed
        log.warning("how sure predictions are cannot be learned: %s: %s", type(error).__name__, error)
    return certainty


def find_wrong_labels(run: RunDir, setup: Setup, predictions: Mapping[SplitName, Predictions]) -> tuple[Finding, ...]:
    """Returns the finding of held-out labels that may be wrong, and writes them to wrong_labels.csv."""
    if setup.settings.limit_batches is not None:
        return ()
    facts = setup.data.facts
    try:
        wrong = setup.task.find_wrong_labels(setup.splits, predictions)
    except Exception as error:  # the user's code may fail here; the model is trained, and its result is needed
        log.warning("wrong labels cannot be looked for: %s: %s", type(error).__name__, error)
        return ()
    run.wrong_labels.unlink(missing_ok=True)  # of a run that is resumed
    if not wrong:
        return ()
    names = [safe_cell(name) for name in facts.classes]
    rows = []
    for one in wrong:
        pairs = ((one.label, one.probability), (one.likely, one.likely_probability))
        rows.append(
            [safe_cell(one.id), one.split, *(cell for at, score in pairs for cell in (names[at], f"{score:.6g}"))]
        )
    write_csv(run.wrong_labels, ["id", "split", "label", "score_label", "likely", "score_likely"], rows)
    what = describe_wrong_labels(wrong, facts.classes, facts.target)
    return (Finding("note", what, f"look at them: {run.wrong_labels.name} and the page list all"),)


def compare_with_baselines(
    setup: Setup, split: SplitName, predictions: Predictions, timing: Timing
) -> tuple[tuple[Baseline, ...], Comparison | None]:
    """Returns the baselines' metrics on a held-out split, and the comparison of the model with the best of them."""
    if split not in setup.data.splits or split == "train" or setup.settings.limit_batches is not None:
        return (), None
    if not timing.has_baselines:
        return (), None
    shown, limit = setup.data.splits[split], setup.baseline.limit(timing.train_seconds, perf_counter() - timing.began)
    baselines = setup.source.baselines(split, setup.baseline, limit)
    chosen = rows_measured(setup.data, split)
    frozen = () if timing.in_sweep else frozen_features(setup, split, limit)
    if chosen is not None:
        at = torch.from_numpy(chosen)
        predictions = predictions.of(at)
        frozen = tuple(replace(baseline, predictions=baseline.predictions.of(at)) for baseline in frozen)
    part = shown if chosen is None else shown.of(chosen)
    baselines += frozen
    if not baselines or len(part) < FEWEST_COMPARED:
        return baselines, None
    comparison = setup.task.compare(
        Contest(name_of(setup.state.model), part.target, predictions, baselines, part.weights)
    )
    if comparison is not None and part is not shown:
        words = f"{comparison.words}, on {len(part):,} of the {len(shown):,} samples"
        comparison = replace(comparison, words=words)
    return baselines, comparison


def advise_model(setup: Setup, comparison: Comparison | None) -> list[str]:
    """Returns advice to try the kind's strongest model, if a baseline is better than another one, clearly or not."""
    strongest = setup.kind.strongest_for(setup.data.facts)
    if not strongest or comparison is None or comparison.difference >= 0:
        return []
    if class_of(setup.state.model) is resolve("model", {"_target_": strongest}):
        return []
    return [f"to do better, try model={strongest}"]


def explain_result(run: RunDir, setup: Setup, split: SplitName, seconds: float) -> Explanation:
    """Returns the importance of inputs and the projection of the split's samples; writes projection.csv."""
    if setup.settings.limit_batches is not None:
        return Explanation()
    try:
        explanation = setup.kind.explain(
            setup.state.judged, setup.task, setup.data.facts, setup.evaluation[split], seconds
        )
    except Exception as error:  # the user's code may fail here; the model is trained, and its result is needed
        log.warning("the model cannot be explained: %s: %s", type(error).__name__, error)
        return Explanation()
    if explanation.projection is not None:
        write_projection(run.projection, explanation.projection)
    return explanation


def explain_examples(run: RunDir, setup: Setup, seconds: float) -> None:
    """Writes where the model looks in the examples with the largest and the smallest errors, to examples/maps, as
    `rows` `(n,)` and `places` `(n, H, W)` uint8; nothing where inputs have no places."""
    (run.examples / MAPS).unlink(missing_ok=True)  # of a run that is resumed, whose examples were others
    inputs = read_inputs(run, every=True)
    if inputs is None or setup.settings.limit_batches is not None:
        return
    count = len(inputs[0])
    errors = read_errors(run)
    best = [row for row in np.argsort(errors, kind="stable").tolist() if row >= min(EXPLAINED, count)][:EXPLAINED]
    pairs = zip_longest(range(min(EXPLAINED, count)), best)
    rows = torch.tensor([row for pair in pairs for row in pair if row is not None])
    chosen = tuple(tensor[rows] for tensor in inputs)
    try:
        places = setup.kind.attribute(setup.state.judged, setup.task, setup.data.facts, chosen, seconds)
    except Exception as error:  # the user's code may fail here; the model is trained, and its result is needed
        log.warning("the examples cannot be explained: %s: %s", type(error).__name__, error)
        return
    if places is not None:
        tensors = {"rows": rows[: len(places)], "places": (255 * places).round().byte()}
        write_bytes(run.examples / MAPS, safetensors_bytes(tensors))


def _axes(explained: Explanation) -> dict[str, Any] | None:
    """Returns what the two coordinates of projection.csv are; None without a projection."""
    projection = explained.projection
    return None if projection is None else {"explained": list(projection.explained), "source": projection.source}


def held_out(splits: Mapping[SplitName, Split]) -> SplitName:
    """Returns the split whose predictions are reported: test, else val, else train."""
    names: tuple[SplitName, ...] = ("test", "val", "train")
    return next(name for name in names if name in splits)


def described(data: Data) -> dict[str, Any]:
    """Returns the content of facts.json: the facts, the notes, and the data's fingerprint."""
    return {"schema": SCHEMA} | asdict(data.facts) | {"notes": list(data.notes), "fingerprint": fingerprint(data)}


def fingerprint(data: Data) -> str:
    """Returns the SHA-256 of all samples and their targets, split by split."""
    digest = hashlib.sha256()
    for name, split in sorted(data.splits.items()):
        digest.update(name.encode())
        for stored in (*split.inputs, split.target, *(() if split.weight is None else (split.weight,))):
            for part in in_parts(stored):
                digest.update(part.contiguous().numpy().data)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Returns the versions of the packages that decide the results."""
    return {
        "dltrain": dltrain.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def git_commit() -> str | None:
    """Returns the git commit of the working directory, with `+` if files differ from it; None without git."""
    try:
        completed = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"],
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return completed.stdout.strip() or None


@lru_cache(maxsize=1)
def git_of_sweep(folder: Path) -> str | None:
    """Returns the same for the jobs of a sweep in a folder: once a process, whose code was imported once."""
    return git_commit()
