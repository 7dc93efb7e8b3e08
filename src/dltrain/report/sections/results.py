"""The sections about the results: the metrics, the baselines, and the training curves."""

from __future__ import annotations

from dltrain.drawing.section import Plots, Section, Table, shown
from dltrain.drawing.wording import spell
from dltrain.report.answer import label
from dltrain.runs.reader import SPLIT_WORDS, Run
from dltrain.tasks.metric_table import is_larger_better, read_declared
from dltrain.tasks.registry import page_of


def key_numbers(run: Run, plots: Plots) -> Section:
    """Returns the section of every metric on every split."""
    result = run.result
    splits = [split for split in SPLIT_WORDS if result.of_split(split)]
    names = list(dict.fromkeys(name for split in splits for name in result.of_split(split)))
    head = ["", *(f"{run.name_of(split)} ({result.data.splits[split]:,})" for split in splits)]
    rows = [[label(run, name), *(spell(result.of_split(split).get(name)) for split in splits)] for name in names]
    strong = splits.index(run.shown_split) + 1 if run.shown_split in splits else None
    words = page_of(run.facts).explain_metrics()
    if run.facts.weight:
        words += (
            f" They weigh samples by {shown(run.facts.weight)}; plots and the scores of single classes and outputs "
            "count each sample once."
        )
    caption = f"All metrics are those of the {result.keep} epoch's weights. {words}".strip()
    return Section("Key numbers", tables=[Table(head, rows, caption, strong=strong)] if rows else [])


def baselines(run: Run, plots: Plots) -> Section:
    """Returns the section that compares the model with baselines on the same split, the best first."""
    result, split = run.result, run.shown_split
    ours = result.of_split(split)
    others = {name.replace("_", " "): metrics for name, metrics in result.baseline.items()}
    measures = [name for name in page_of(run.facts).headline(ours) if name in ours or not ours]
    tables = []
    if others and measures:
        ranked = sorted(
            [("this model", ours), *others.items()],
            key=lambda candidate: candidate[1].get(measures[0]) or 0.0,
            reverse=is_larger_better(measures[0], read_declared(result.metrics)),
        )
        rows = [[name, *(spell(metrics.get(measure)) for measure in measures)] for name, metrics in ranked]
        caption = f"On the {SPLIT_WORDS[split]} split; all were fitted to the training split alone."
        tables.append(Table(["", *(label(run, name) for name in measures)], rows, caption, strong=1))
    about = [f"{name.replace('_', ' ')}: {note}" for name, note in result.baseline_notes.items()]
    sentences = [str((result.comparison or {}).get("words", "")), *about, *result.diagnosis]
    notes = [f"{words[0].upper()}{words[1:]}." for words in sentences if words]
    return Section("Comparison with baselines", notes=notes, tables=tables)


def training_curves(run: Run, plots: Plots) -> Section:
    """Returns the section of curves over the epochs."""
    return Section("Training curves", plots=plots["curves"])
