"""What the model says of the shown split, where it errs most, and what it rests on."""

from __future__ import annotations

from dataclasses import replace

from dltrain.drawing.section import Plots, Section, Table, listed, shown
from dltrain.drawing.wording import spell
from dltrain.kinds.kind import page_of_kind
from dltrain.runs.reader import SPLIT_WORDS, Run
from dltrain.tasks.registry import page_of

MAX_EXAMPLES = 10


def predictions(run: Run, plots: Plots) -> Section:
    """Returns what the model says of the shown split, in plots and class by class, label by label or output by
    output."""
    table = page_of(run.facts).score_table(run)
    return Section(
        f"Predictions on the {SPLIT_WORDS[run.shown_split]} split",
        plots=plots["predictions"],
        tables=[] if table is None else [table],
    )


def worst_examples(run: Run, plots: Plots) -> Section:
    """Returns where the model errs most."""
    page = page_of(run.facts)
    examples = [
        replace(
            one,
            true=page.read_cell(one.true),
            predicted=page.read_cell(one.predicted),
            error=_number(one.error, 3),
        )
        for one in run.examples[:MAX_EXAMPLES]
    ]
    table = page.worst_table(examples)
    return Section("Worst examples", plots=plots["examples"], tables=[] if table is None else [table])


def importance(run: Run, plots: Plots) -> Section:
    """Returns which columns the model cannot do without."""
    found = [one for one in run.result.importance if one["drop"] is not None]
    if len(found) < 2:
        return Section("What it rests on")
    unit, scale = page_of(run.facts).describe_importance()
    words = (
        f"How much worse the result is where one column of the {SPLIT_WORDS[run.shown_split]} split is shuffled: mean "
        "and spread over a few shuffles. Columns that say the same stand in for each other, so each of them costs "
        "little."
    )
    notes = []
    idle = [shown(str(one["name"])) for one in found if one["drop"] <= 2 * (one["spread"] or 0)]
    if idle and len(idle) < len(found):
        notes.append(f"Without these it does not do worse beyond chance: {listed(idle, 8, ', ')}.")
    columns = page_of_kind(run.facts).column_count()
    if columns > len(found):
        notes.append(f"Of {columns:,} columns, the {len(found):,} along which the loss is steepest were tried.")
    rows = [
        [shown(str(one["name"])), *(spell(scale * (one[key] or 0), 3) for key in ("drop", "spread"))] for one in found
    ]
    table = Table(["Column", "Costs", "Spread"], rows, f"{unit[0].upper()}{unit[1:]}.", folded="As numbers")
    return Section("What it rests on", words, plots=plots["importance"], notes=notes, tables=[table])


def _number(text: str, digits: int = 4) -> str:
    try:
        return spell(float(text), digits)
    except ValueError:
        return text
