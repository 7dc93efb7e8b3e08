"""What the model says of the shown split, where it errs most, and what it rests on."""

from __future__ import annotations

import numpy as np

from dltrain.drawing.section import MAX_ROWS, Plots, Section, Table, listed, shown
from dltrain.drawing.wording import is_code, loss_of_shuffling, name_metric, spell
from dltrain.runs.reader import SPLIT_WORDS, Example, Run
from dltrain.tasks.predicted import NUMBERS
from dltrain.tasks.scores import (
    class_scores,
    coefficients,
    confusion_counts,
    label_scores,
    number_errors,
    number_pairs,
    one_against_rest,
    roc,
)
from dltrain.types import Facts

MAX_EXAMPLES = 10


def predictions(run: Run, plots: Plots) -> Section:
    """What the model says of the shown split, in plots and class by class, label by label, or output by output."""
    table = _class_table(run) if run.facts.classes else _output_table(run) if run.facts.outputs else None
    return Section(
        f"Predictions on the {SPLIT_WORDS[run.shown_split]} split",
        plots=plots["predictions"],
        tables=[] if table is None else [table],
    )


def _class_table(run: Run) -> Table | None:
    said, names = run.predictions, run.facts.classes
    if said is None:
        return None
    counts = confusion_counts(said.true, said.predicted, len(names))
    scores = class_scores(counts)
    rows = [
        [shown(name), *(f"{scores[key][index]:.3f}" for key in scores), f"{counts[index].sum():,}"]
        for index, name in enumerate(names)
    ]
    folded = f"Scores of all {len(names)} classes" if len(names) > MAX_ROWS else ""
    of = shown(run.facts.target) if all(map(is_code, names)) else "Class"
    return Table(
        [of, *map(name_metric, scores), "Samples"],
        rows,
        "Each class against the rest.",
        folded=folded,
    )


def _output_table(run: Run) -> Table | None:
    """A row a label or a number."""
    names, said = run.facts.outputs, run.predictions
    if said is None:
        return None
    folded = f"Scores of all {len(names)} outputs" if len(names) > MAX_ROWS else ""
    if run.facts.task != "multilabel":
        rows = [[shown(name), *map(spell, number_errors(pairs))] for name, pairs in number_pairs(run)]
        return Table(["Output", "RMSE", "MAE", "R²"], rows, "Each in its own unit.", folded=folded)
    scores = label_scores(said.true, said.predicted)
    areas = {one.name: curve.area for one in one_against_rest(run) if (curve := roc(one.positive, one.scores))}
    rows = [
        [
            shown(name),
            *(f"{values[place]:.3f}" for values in scores.values()),
            f"{areas[name]:.3f}" if name in areas else "–",
            f"{said.true[:, place].sum():,}",
        ]
        for place, name in enumerate(names)
    ]
    caption = f"Each label on its own; the last column counts those of {len(said.true):,} samples that have it."
    return Table(["Label", *map(name_metric, scores), "ROC AUC", "Samples"], rows, caption, folded=folded)


def worst_examples(run: Run, plots: Plots) -> Section:
    """Where the model errs most."""
    facts = run.facts
    rows = [
        [shown(row.text or row.id), shown(row.true), shown(row.predicted), _number(row.error, 3)]
        for row in run.examples[:MAX_EXAMPLES]
    ]
    head, numbers_from, caption = ["Sample", "True", "Predicted", "Error"], 3, ""
    if facts.task == "next_token":
        caption = "The error is in bits per character; predicted is the likeliest token at each place."
    elif facts.task == "ranking":
        head[3], caption = "Place", "Predicted is what comes first for the user, the place that of the chosen item."
        rows = [[row[0], row[1] or "new", row[2], row[3]] for row in rows]
    elif facts.classes:
        caption = "The error is the probability that the true class lacks."
    elif facts.task == "multilabel":
        caption = "The error is the mean over the labels of the probability that the truth lacks."
        rows = [[row[0], row[1] or "none", row[2] or "none", row[3]] for row in rows]
    elif facts.outputs:
        head = ["Sample", "Farthest off", "True", "Predicted", "Error"]
        numbers_from = 2
        caption = (
            "The error is absolute, in standard deviations, the mean over the outputs; the one that is farthest off is "
            "named, with what was true and what was predicted of it."
        )
        rows = [[row[0], *_farthest(facts, one), row[3]] for row, one in zip(rows, run.examples, strict=False)]
    elif facts.task in NUMBERS:
        numbers_from, caption = 1, f"The error is absolute, in the unit of {facts.target}."
        rows = [[row[0], _number(row[1]), _number(row[2]), row[3]] for row in rows]
    tables = [Table(head, rows, caption, numbers_from)] if rows else []
    return Section("Worst examples", plots=plots["examples"], tables=tables)


def _farthest(facts: Facts, example: Example) -> list[str]:
    """Of several numbers the one that is most standard deviations off: its name, the true and the predicted one."""
    try:
        true, predicted = (np.array(cell.split(", "), np.float64) for cell in (example.true, example.predicted))
    except ValueError:
        return ["–", shown(example.true), shown(example.predicted)]
    at = int(np.argmax(np.abs(predicted - true) / np.asarray(facts.target_std)))
    return [shown(facts.outputs[at]), spell(float(true[at])), spell(float(predicted[at]))]


def importance(run: Run, plots: Plots) -> Section:
    """Which columns the model cannot do without."""
    found = [one for one in run.result.get("importance") or [] if one["drop"] is not None]
    if len(found) < 2:
        return Section("What it rests on")
    unit, scale = loss_of_shuffling(run)
    words = (
        f"How much worse the result is where one column of the {SPLIT_WORDS[run.shown_split]} split is shuffled: mean "
        "and spread over a few shuffles. Columns that say the same stand in for each other, so each of them costs "
        "little."
    )
    notes = []
    idle = [shown(str(one["name"])) for one in found if one["drop"] <= 2 * (one["spread"] or 0)]
    if idle and len(idle) < len(found):
        notes.append(f"Without these it does not do worse beyond chance: {listed(idle, 8, ', ')}.")
    columns = len(run.facts.preprocessing.get("columns") or run.facts.features)
    if columns > len(found):
        notes.append(f"Of {columns:,} columns, the {len(found):,} along which the loss is steepest were tried.")
    rows = [
        [shown(str(one["name"])), *(spell(scale * (one[key] or 0), 3) for key in ("drop", "spread"))] for one in found
    ]
    table = Table(["Column", "Costs", "Spread"], rows, f"{unit[0].upper()}{unit[1:]}.", folded="As numbers")
    return Section("What it rests on", words, plots=plots["importance"], notes=notes, tables=[table])


def learned_weights(run: Run, plots: Plots) -> Section:
    """What the weights say, where the truth is known."""
    known = coefficients(run)
    tables = []
    if known is not None:
        rows = [
            [shown(name), spell(true), spell(learned), spell(learned - true)]
            for name, true, learned in zip(known.names, known.true.tolist(), known.learned.tolist(), strict=True)
        ]
        caption = "In raw units: what the prediction gains where the feature gains 1."
        folded = f"All {len(rows)} coefficients" if len(rows) > MAX_ROWS else ""
        tables.append(Table(["Feature", "True", "Learned", "Difference"], rows, caption, folded=folded))
    return Section("Learned coefficients", plots=plots["weights"], tables=tables)


def _number(text: str, digits: int = 4) -> str:
    try:
        return spell(float(text), digits)
    except ValueError:
        return text
