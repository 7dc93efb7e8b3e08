"""What the result does not say, and what the model cannot do: sentences that follow from this run alone."""

from __future__ import annotations

from collections.abc import Iterator

from dltrain.drawing.section import Plots, Section
from dltrain.drawing.wording import count
from dltrain.kinds.kind import page_of_kind
from dltrain.report.answer import chose_the_epoch
from dltrain.runs.reader import Run
from dltrain.tasks.registry import page_of

FEW_TRAINING_SAMPLES = 500
SIMPLE = ("majority", "mean", "last_value", "linear_regression", "logistic_regression", "ridge", "biases", "most_rated")
TRIVIAL = {"majority": "always answering with the commonest class", "mean": "always answering with the mean"}


def limits(run: Run, plots: Plots) -> Section:
    """Returns how far the result can be trusted, and what the model has not seen."""
    task, kind = page_of(run.facts), page_of_kind(run.facts)
    notes = [
        *_held_out(run),
        *(() if run.shown_split == "train" else task.confidence(run)),
        *_rivals(run),
        *task.limits(run),
        *_few(run),
        *kind.limits(run),
    ]
    table = kind.ranges()
    return Section("Its limits", notes=notes, tables=[] if table is None else [table])


def _held_out(run: Run) -> Iterator[str]:
    split = run.shown_split
    for key, _, value in run.changes or ():
        if key == "trainer.limit_batches":
            yield f"It saw {value} batches of each split alone ({key}={value}), so its numbers say nothing."
    if split == "train":
        yield "No sample was held out, so nothing here tells how well it does on samples that it was not trained on."
    elif split == "val" and chose_the_epoch(run):
        yield (
            "There is no test split. The validation samples that it is measured on also chose the epoch, so new "
            "samples may go somewhat worse."
        )


def _rivals(run: Run) -> Iterator[str]:
    found = run.result.comparison
    if not found or found.get("difference") is None or found.get("margin") is None:
        return
    name = TRIVIAL.get(found["baseline"], found["baseline"].replace("_", " "))
    if found["difference"] < -found["margin"]:
        yield f"It is no good choice as it stands: {name} is clearly better on the same samples."
    elif found["difference"] <= found["margin"]:
        simpler = ", which is simpler" if found["baseline"] in SIMPLE else ""
        yield f"It is not clearly better than {name}{simpler}."


def _few(run: Run) -> Iterator[str]:
    training = run.result.data.splits.get("train", 0)
    if training < FEW_TRAINING_SAMPLES:
        data = run.config.get("data") or {}
        seed = data.get("seed") if page_of_kind(run.facts).is_split_at_random(data) else None
        how = f"; data.seed={int(seed) + 1} shows by how much" if isinstance(seed, int) else ""
        yield f"It learned from {count(training, 'sample')}: another split of so few may turn out differently{how}."
