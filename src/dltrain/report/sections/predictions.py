"""The sections about predictions on the shown split, the largest errors, and the importance of columns."""

from __future__ import annotations

from dataclasses import replace

from dltrain.drawing.section import Plots, Section, Table, listed, shown
from dltrain.drawing.wording import spell
from dltrain.kinds.kind import page_of_kind
from dltrain.runs.reader import SPLIT_WORDS, Run
from dltrain.tasks.registry import page_of

MAX_EXAMPLES = 10
MOST_WRONG = 30


def predictions(run: Run, plots: Plots) -> Section:
    """Returns the section of plots of predictions, and of scores by class, label or output."""
    table = page_of(run.facts).score_table(run)
    return Section(
        f"Predictions on the {run.shown_data}",
        plots=plots["predictions"],
        tables=[] if table is None else [table],
    )


def worst_examples(run: Run, plots: Plots) -> Section:
    """Returns the section of the samples with the largest errors."""
    page = page_of(run.facts)
    examples = [
        replace(
            example,
            true=page.read_cell(example.true),
            predicted=page.read_cell(example.predicted),
            error=_number(example.error, 3),
        )
        for example in run.examples[:MAX_EXAMPLES]
    ]
    table = page.worst_table(examples)
    return Section("Worst examples", plots=plots["examples"], tables=[] if table is None else [table])


def wrong_labels(run: Run, plots: Plots) -> Section:
    """Returns the section of held-out labels that may be wrong, the surest first."""
    title, page = "Labels that may be wrong", page_of(run.facts)
    if not run.wrong_labels:
        return Section(title)
    words = (
        "To a model that was not trained on these samples, their labels are less probable than the labels of so many "
        "samples should be. A model errs, too: look at each before you change it."
    )
    places = {**SPLIT_WORDS, "val": "training, by folds"} if run.facts.folds else SPLIT_WORDS
    rows = [
        [shown(name), places[split], *(shown(page.read_cell(cell)) for cell in (label, likely))]
        + [_number(score, 3) for score in (own, other)]
        for name, split, label, own, likely, other in run.wrong_labels[:MOST_WRONG]
    ]
    more = len(run.wrong_labels) - len(rows)
    caption = f"{more:,} more are in {run.folder.wrong_labels.name}." if more else ""
    head = ["Sample", "Split", "Label", "Rather", "Its label's probability", "The other's"]
    return Section(title, words, tables=[Table(head, rows, caption, numbers_from=4)])


def importance(run: Run, plots: Plots) -> Section:
    """Returns the section about the importance of columns."""
    title = "Importance of columns"
    measured = [column for column in run.result.importance if column["drop"] is not None]
    if len(measured) < 2:
        return Section(title)
    unit, scale = page_of(run.facts).describe_importance()
    words = (
        f"By how much the result worsens when a column of the {run.shown_data} is shuffled: mean "
        "and standard deviation over a few shuffles. Columns with the same information can replace each other, so each "
        "of them has a low importance."
    )
    notes = []
    idle = [shown(str(column["name"])) for column in measured if column["drop"] <= 2 * (column["spread"] or 0)]
    if idle and len(idle) < len(measured):
        notes.append(f"Shuffling these columns does not worsen the result beyond chance: {listed(idle, 8, ', ')}.")
    columns = page_of_kind(run.facts).column_count()
    if columns > len(measured):
        notes.append(
            f"Of {columns:,} columns, the {len(measured):,} with the largest gradients of the loss were tried."
        )
    rows = [
        [shown(str(column["name"])), *(spell(scale * (column[key] or 0), 3) for key in ("drop", "spread"))]
        for column in measured
    ]
    head = ["Column", "Importance", "Standard deviation"]
    table = Table(head, rows, f"{unit[0].upper()}{unit[1:]}.", folded="As numbers")
    return Section(title, words, plots=plots["importance"], notes=notes, tables=[table])


def _number(text: str, digits: int = 4) -> str:
    """Returns a number in a cell for readers; any other cell as it is."""
    try:
        return spell(float(text), digits)
    except ValueError:
        return text
