"""What the result does not say, and what the model cannot do: sentences that follow from this run alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dltrain.drawing.section import Plots, Section, Table, listed, shown
from dltrain.drawing.wording import chose_the_epoch, count, is_code, name_class, spell
from dltrain.runs.reader import SPLIT_WORDS, Run
from dltrain.tasks.intervals import rmse_interval, wilson
from dltrain.tasks.predicted import Floats
from dltrain.tasks.scores import confusion_counts, number_pairs

FEW_TRAINING_SAMPLES = 500
FEW_OF_A_CLASS = 20
UNEVEN = 4  # times as many of the commonest class as of the rarest
SURELY_WORSE = 0.1  # of recall, below the accuracy
SIMPLE = ("majority", "mean", "last_value", "linear_regression", "logistic_regression", "ridge", "biases", "most_rated")
PLAIN = {"majority": "always answering with the commonest class", "mean": "always answering with the mean"}


def limits(run: Run, plots: Plots) -> Section:
    """How far the result can be trusted, and what the model has not seen."""
    notes = [note for find in (_held_out, _sure, _rivals, _classes, _few, _known) for note in find(run)]
    rows = list(_ranges(run))
    tables = []
    if rows:
        folded = "What it has seen of each column"
        tables.append(Table(["Column", "In training"], rows, _beyond(run), numbers_from=2, folded=folded))
    return Section("Its limits", notes=notes, tables=tables)


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


def _sure(run: Run) -> Iterator[str]:
    """How far the main metric may be off by the chance of which samples were held out."""
    said, split = run.predictions, run.shown_split
    if split == "train":
        return
    if run.places is not None:
        yield from _sure_of_order(run.places)
    if said is None:
        return
    total, word = len(said.true), SPLIT_WORDS[split]
    if run.facts.task in ("classification", "multilabel"):
        right = int((said.true == said.predicted).reshape(total, -1).all(axis=1).sum())
        low, high = wilson(right, total)
        what = "Accuracy" if run.facts.classes else "Accuracy, every label of a sample right,"
        wide = "; so few samples tell no more than that" if high - low > 0.1 else ""
        yield (
            f"{what} is {spell(right / total, 3)} on these {total:,} {word} samples; of all samples like them it is "
            f"between {spell(low, 3)} and {spell(high, 3)} with 95 % confidence{wide}."
        )
    pairs = number_pairs(run)
    if len(pairs) == 1 and len(pairs[0][1][0]) > 2:
        true, predicted = pairs[0][1]
        errors = np.abs(predicted - true)
        low, high = rmse_interval(np.square(errors))
        yield (
            f"RMSE is {spell(float(np.square(errors).mean()) ** 0.5, 3)} on these {len(true):,} {word} samples; of all "
            f"samples like them it is between {spell(low, 3)} and {spell(high, 3)} with 95 % confidence."
        )
        half, tenth = np.quantile(errors, (0.5, 0.9)).tolist()
        yield f"Half of the predictions are off by more than {spell(half, 3)}, a tenth by more than {spell(tenth, 3)}."


def _sure_of_order(places: Floats) -> Iterator[str]:
    hits, total = int((places <= 10).sum()), len(places)
    low, high = wilson(hits, total)
    yield (
        f"Of {count(total, 'user')}, {hits:,} {'has' if hits == 1 else 'have'} the held-out item among the first ten; "
        f"of all users like them it is a share between {spell(low, 3)} and {spell(high, 3)} with 95 % confidence."
    )
    yield "What else is among the ten may please as well: nobody has asked."


def _rivals(run: Run) -> Iterator[str]:
    found = run.result.get("comparison")
    if not found or found.get("difference") is None or found.get("margin") is None:
        return
    name = PLAIN.get(found["baseline"], found["baseline"].replace("_", " "))
    if found["difference"] < -found["margin"]:
        yield f"It is no good choice as it stands: {name} is clearly better on the same samples."
    elif found["difference"] <= found["margin"]:
        simpler = ", which is simpler" if found["baseline"] in SIMPLE else ""
        yield f"It is not clearly better than {name}{simpler}."


def _classes(run: Run) -> Iterator[str]:
    """Which classes are rare, and which it misses."""
    facts, said = run.facts, run.predictions
    names = [name_class(facts, index) for index in range(len(facts.classes))]
    counts = np.array(facts.class_counts)
    if len(counts) == len(names) > 1:
        rarest, commonest = int(counts.argmin()), int(counts.argmax())
        few = np.flatnonzero(counts < FEW_OF_A_CLASS)
        if len(few):
            rare = [
                f"{shown(names[index])} ({counts[index]:,})" for index in few[np.argsort(counts[few], kind="stable")]
            ]
            yield f"It learned from few training samples of {listed(rare, 5, ', ')}."
        if counts[commonest] >= UNEVEN * counts[rarest] and said is not None:
            always = float((said.true == commonest).mean())
            yield (
                f"The classes are uneven: {counts[commonest]:,} training samples of {shown(names[commonest])}, "
                f"{counts[rarest]:,} of {shown(names[rarest])}. Always answering {shown(names[commonest])} would have "
                f"an accuracy of {spell(always, 3)}."
            )
    if said is None or not names:
        return
    table = confusion_counts(said.true, said.predicted, len(names))
    total, accuracy = table.sum(axis=1), table.diagonal().sum() / table.sum()
    recall = table.diagonal() / np.maximum(total, 1)
    missed = [index for index in np.argsort(recall, kind="stable") if total[index] >= 5 and recall[index] < 1]
    for index in [index for index in missed if recall[index] <= accuracy - SURELY_WORSE][:3]:
        others = table[index].copy()
        others[index] = 0
        taken = f", and takes the others most often for {shown(names[others.argmax()])}" if len(names) > 2 else ""
        yield (
            f"Of {total[index]:,} samples of {shown(names[index])} it finds {table[index, index]:,} "
            f"({recall[index]:.0%}){taken}."
        )


def _few(run: Run) -> Iterator[str]:
    training = run.result["data"]["splits"].get("train", 0)
    if training < FEW_TRAINING_SAMPLES:
        data = run.config.get("data") or {}
        at_random = run.facts.kind != "series" and not data.get("time") and data.get("split", "random") == "random"
        seed = data.get("seed") if at_random else None
        how = f"; data.seed={int(seed) + 1} shows by how much" if isinstance(seed, int) else ""
        yield f"It learned from {count(training, 'sample')}: another split of so few may turn out differently{how}."


def _known(run: Run) -> Iterator[str]:
    facts = run.facts
    if facts.classes:
        names = listed(list(map(shown, facts.classes)), 10, ", ")
        if facts.kind == "image":
            yield f"It calls any picture one of these {len(facts.classes)} classes, whatever it shows: {names}."
        elif not all(map(is_code, facts.classes)):
            yield f"Whatever it is given, it answers with one of these {len(facts.classes)} classes: {names}."


def _ranges(run: Run) -> Iterator[list[str]]:
    """What the training split held of each column, `name` and `seen`."""
    place = 0
    for column in run.facts.preprocessing.get("columns") or ():
        seen = SEEN.get(str(column.get("kind")))
        if seen is None:  # a kind of column that came after this was written; where the next begins is not known
            return
        bins = run.facts.bins[place] if place < len(run.facts.bins) else ()
        text, width = seen(column, bins)
        place += width
        if text:
            yield [shown(str(column["name"])), text]


def _numbers(column: dict[str, Any], bins: Sequence[float]) -> tuple[str, int]:
    ends = column.get("edges") or [column["mean"] + column["std"] * edge for edge in bins]
    gaps = ", gaps too" if column["indicator"] else ""
    return (f"{spell(ends[0])} to {spell(ends[-1])}{gaps}" if ends else ""), 1 + bool(column["indicator"])


def _levels(column: dict[str, Any], bins: Sequence[float]) -> tuple[str, int]:
    width = len(column["levels"]) + bool(column["other"]) + bool(column["missing"])
    rare = ", rare ones as one" if column["other"] else ""
    gaps = ", gaps too" if column["missing"] else ""
    return listed([shown(str(level)) for level in column["levels"]], 12) + rare + gaps, width


SEEN: dict[str, Callable[[dict[str, Any], Sequence[float]], tuple[str, int]]] = {
    "numeric": _numbers,
    "categorical": _levels,
}


def _beyond(run: Run) -> str:
    """What becomes of values that training did not hold."""
    columns = run.facts.preprocessing.get("columns") or ()
    held = any(column.get("edges") for column in columns)
    linear = any(column.get("kind") == "numeric" and not column.get("edges") for column in columns)
    named = any(column.get("kind") == "categorical" for column in columns)
    said = ["Numbers beyond are taken for the nearest end."] if held else []
    said += ["Beyond these ends of a number it extrapolates, and nothing here tells how well."] if linear else []
    said += ["Other values of a category count as rare ones, or as none at all."] if named else []
    return " ".join(said)
