"""What came out: the numbers, those of plain methods, and the curves of the training."""

from __future__ import annotations

from dltrain.drawing.section import Plots, Section, Table
from dltrain.drawing.wording import LOW_IS_GOOD, measures, name_class, name_metric, spell
from dltrain.runs.reader import SPLIT_WORDS, Run


def key_numbers(run: Run, plots: Plots) -> Section:
    """Every metric on every split."""
    result = run.result
    splits = [split for split in SPLIT_WORDS if result.get(split)]
    names = list(dict.fromkeys(name for split in splits for name in result[split]))
    head = ["", *(f"{split} ({result['data']['splits'][split]:,})" for split in splits)]
    rows = [[name_metric(name), *(spell(result[split].get(name)) for split in splits)] for name in names]
    strong = splits.index(run.shown_split) + 1 if run.shown_split in splits else None
    caption = f"All with the weights of the {result.get('keep', 'best')} epoch. {_what_metrics_are(run)}".strip()
    return Section("Key numbers", tables=[Table(head, rows, caption, strong=strong)] if rows else [])


def _what_metrics_are(run: Run) -> str:
    facts = run.facts
    if facts.task == "ranking":
        return (
            "Hit rate is the share of users whose held-out item is among the first ten of what they have not rated; "
            "NDCG counts it for more the higher it stands. The loss is of telling it from "
            f"{facts.preprocessing['negatives']} others, drawn at random."
        )
    if facts.task == "multilabel":
        return "Accuracy is the share of samples with all labels right; precision, recall and F1 are means over labels."
    if len(facts.classes) == 2:
        return f"Precision, recall and F1 are those of {name_class(facts, 1)}, the positive class."
    if facts.classes:
        return "Precision, recall and F1 are means over the classes."
    if facts.task == "regression" and facts.outputs:
        return f"All but the loss are means over {len(facts.outputs)} outputs, each in its own unit."
    if facts.task == "regression" and (facts.target_mean, facts.target_std) != (0.0, 1.0):
        return f"The loss is of the standardised target; RMSE and MAE are in the unit of {facts.target}."
    return ""


def plain_methods(run: Run, plots: Plots) -> Section:
    """The result beside those of plain methods on the same split, the best first."""
    result, split = run.result, run.shown_split
    ours = result.get(split) or {}
    rivals = {name.replace("_", " "): metrics for name, metrics in (result.get("baseline") or {}).items()}
    shown = [name for name in measures(run.facts, ours) if name in ours or not ours]
    tables = []
    if rivals and shown:
        ranked = sorted(
            [("this model", ours), *rivals.items()],
            key=lambda rival: rival[1].get(shown[0]) or 0.0,
            reverse=shown[0] not in LOW_IS_GOOD,
        )
        rows = [[name, *(spell(metrics.get(measure)) for measure in shown)] for name, metrics in ranked]
        caption = f"On the {SPLIT_WORDS[split]} split, fitted to the training split alone."
        tables.append(Table(["", *map(name_metric, shown)], rows, caption, strong=1))
    found = [(result.get("comparison") or {}).get("words", ""), *(result.get("diagnosis") or ())]
    notes = [f"{words[0].upper()}{words[1:]}." for words in found if words]
    return Section("Against plain methods", notes=notes, tables=tables)


def training_curves(run: Run, plots: Plots) -> Section:
    """What changed from epoch to epoch."""
    return Section("Training curves", plots=plots["curves"])
