"""The section about the limits of the result and of the model, as far as they follow from this run alone."""

from __future__ import annotations

from collections.abc import Iterator

from dltrain.drawing.section import Plots, Section
from dltrain.drawing.wording import count
from dltrain.kinds.kind import page_of_kind
from dltrain.report.answer import chose_the_epoch
from dltrain.runs.reader import Run
from dltrain.tasks.certainty import describe as describe_certainty
from dltrain.tasks.registry import page_of

FEW_TRAINING_SAMPLES = 500
SIMPLE = ("majority", "mean", "last_value", "linear_regression", "logistic_regression", "ridge", "biases", "most_rated")
TRIVIAL = {"majority": "always answering with the commonest class", "mean": "always answering with the mean"}


def limits(run: Run, plots: Plots) -> Section:
    """Returns the section about how far the result can be trusted, and what the model has not seen."""
    task, kind = page_of(run.facts), page_of_kind(run.facts)
    notes = [
        *_held_out(run),
        *(() if run.shown_split == "train" or run.facts.weight else task.confidence(run)),
        *describe_certainty(run.result.certainty),
        *_best_baseline(run),
        *task.limits(run),
        *task.omissions(),
        *_few_samples(run),
        *kind.limits(run),
    ]
    table = kind.ranges()
    return Section("Limits", notes=notes, tables=[] if table is None else [table])


def _held_out(run: Run) -> Iterator[str]:
    """Yields a sentence where the shown split is not a full test split."""
    split = run.shown_split
    for key, _, value in run.changes or ():
        if key == "trainer.limit_batches":
            yield f"The run used only {value} batches of each split ({key}={value}), so its numbers mean nothing."
    if split == "train":
        yield "No sample was held out, so it is not known how well the model does on samples it was not trained on."
    elif split == "val" and chose_the_epoch(run):
        yield (
            "There is no test split. The validation samples also decided which epoch is best, so the model may do "
            "slightly worse on new samples."
        )


def _best_baseline(run: Run) -> Iterator[str]:
    """Yields a sentence where the model is not clearly better than the best baseline."""
    comparison = run.result.comparison
    if not comparison or comparison.get("difference") is None or comparison.get("margin") is None:
        return
    name = TRIVIAL.get(comparison["baseline"], comparison["baseline"].replace("_", " "))
    if comparison["difference"] < -comparison["margin"]:
        yield f"Do not use this model as it is: {name} is clearly better on the same samples."
    elif comparison["difference"] <= comparison["margin"]:
        simpler = ", which is simpler" if comparison["baseline"] in SIMPLE else ""
        yield f"The model is not clearly better than {name}{simpler}."


def _few_samples(run: Run) -> Iterator[str]:
    """Yields a sentence where there are few training samples."""
    training = run.result.data.splits.get("train", 0)
    if training < FEW_TRAINING_SAMPLES:
        data = run.config.get("data") or {}
        seed = data.get("seed") if page_of_kind(run.facts).is_split_at_random(data) else None
        how = f"; train with data.seed={int(seed) + 1} to see by how much" if isinstance(seed, int) else ""
        yield f"The model was trained on {count(training, 'sample')}, so another split may give another result{how}."
