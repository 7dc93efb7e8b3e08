"""What came out: the numbers, those of baselines, and the curves of the training."""

from __future__ import annotations

from dltrain.drawing.section import Plots, Section, Table
from dltrain.drawing.wording import spell
from dltrain.report.answer import label
from dltrain.runs.reader import SPLIT_WORDS, Run
from dltrain.tasks.metric_table import is_larger_better, read_declared
from dltrain.tasks.registry import page_of


def key_numbers(run: Run, plots: Plots) -> Section:
    """Returns every metric on every split."""
    result = run.result
    splits = [split for split in SPLIT_WORDS if result.of_split(split)]
    names = list(dict.fromkeys(name for split in splits for name in result.of_split(split)))
    head = ["", *(f"{split} ({result.data.splits[split]:,})" for split in splits)]
    rows = [[label(run, name), *(spell(result.of_split(split).get(name)) for split in splits)] for name in names]
    strong = splits.index(run.shown_split) + 1 if run.shown_split in splits else None
    words = page_of(run.facts).explain_metrics()
    caption = f"All with the weights of the {result.keep} epoch. {words}".strip()
    return Section("Key numbers", tables=[Table(head, rows, caption, strong=strong)] if rows else [])


def baselines(run: Run, plots: Plots) -> Section:
    """Returns the result beside those of baselines on the same split, the best first."""
    result, split = run.result, run.shown_split
    ours = result.of_split(split)
    rivals = {name.replace("_", " "): metrics for name, metrics in result.baseline.items()}
    shown = [name for name in page_of(run.facts).headline(ours) if name in ours or not ours]
    tables = []
    if rivals and shown:
        ranked = sorted(
            [("this model", ours), *rivals.items()],
            key=lambda rival: rival[1].get(shown[0]) or 0.0,
            reverse=is_larger_better(shown[0], read_declared(result.metrics)),
        )
        rows = [[name, *(spell(metrics.get(measure)) for measure in shown)] for name, metrics in ranked]
        caption = f"On the {SPLIT_WORDS[split]} split, fitted to the training split alone."
        tables.append(Table(["", *(label(run, name) for name in shown)], rows, caption, strong=1))
    found = [str((result.comparison or {}).get("words", "")), *result.diagnosis]
    notes = [f"{words[0].upper()}{words[1:]}." for words in found if words]
    return Section("Against baselines", notes=notes, tables=tables)


def training_curves(run: Run, plots: Plots) -> Section:
    """Returns what changed from epoch to epoch."""
    return Section("Training curves", plots=plots["curves"])
