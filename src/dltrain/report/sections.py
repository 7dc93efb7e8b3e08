"""What stands on a run's page: a list of sections, each built on its own from the run and its plots."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dltrain.report.plots import Drawn
from dltrain.report.reading import SPLIT_WORDS, Run
from dltrain.report.scores import class_scores, coefficients, confusion_counts
from dltrain.report.style import shorten
from dltrain.report.wording import NAMES, count, spell, spell_seconds

MAX_EXAMPLES = 10
MAX_ROWS = 20  # of a table that is not folded
MAX_NAMES = 60
MAX_WIDTH = 60  # of a name, in Latin letters


@dataclass(frozen=True)
class Table:
    """Rows of text below a head.

    Args:
        head: a name a column.
        rows: as many cells each.
        caption: what the numbers are, in a sentence.
        numbers_from: the first column of numbers, which are set flush right.
        strong: the column that matters most.
        folded: what a reader clicks on to see it; empty where it stands open.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    numbers_from: int = 1
    strong: int | None = None
    folded: str = ""


@dataclass(frozen=True)
class Code:
    """Text to copy; `folded` as in a table."""

    text: str
    folded: str = ""


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, in the order of the fields."""

    title: str
    words: str = ""
    plots: Sequence[Drawn] = ()
    pairs: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()
    codes: Sequence[Code] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show below the heading."""
        return not (self.plots or self.pairs or self.notes or self.tables or self.codes)


Plots = Mapping[str, Sequence[Drawn]]  # by the section they belong to
SectionBuilder = Callable[[Run, Plots], Section]


def key_numbers(run: Run, plots: Plots) -> Section:
    """Every metric on every split."""
    result, facts = run.result, run.facts
    splits = [split for split in SPLIT_WORDS if result.get(split)]
    names = list(dict.fromkeys(name for split in splits for name in result[split]))
    head = ["", *(f"{split} ({result['data']['splits'][split]:,})" for split in splits)]
    rows = [[NAMES.get(name, name), *(spell(result[split].get(name)) for split in splits)] for name in names]
    strong = splits.index(run.shown_split) + 1 if run.shown_split in splits else None
    caption = f"All with the weights of the {run.result.get('keep', 'best')} epoch."
    if len(facts.classes) == 2:
        caption += f" Precision, recall and F1 are those of {facts.classes[1]}, the positive class."
    elif facts.classes:
        caption += " Precision, recall and F1 are means over the classes."
    elif (facts.target_mean, facts.target_std) != (0.0, 1.0):
        caption += f" The loss is of the standardised target; RMSE and MAE are in the unit of {facts.target}."
    return Section("Key numbers", tables=[Table(head, rows, caption, strong=strong)] if rows else [])


def plain_methods(run: Run, plots: Plots) -> Section:
    """The result beside those of plain methods on the same split, the best first."""
    result, split = run.result, run.shown_split
    baselines = result.get("baseline") or {}
    measures: tuple[str, ...] = ("accuracy", "f1", "roc_auc") if run.facts.classes else ("rmse", "mae", "r2")
    if run.facts.task == "next_token":
        measures = ("bits_per_character", "perplexity")
    rivals = {name.replace("_", " "): metrics for name, metrics in baselines.items()}
    ranked = sorted(
        [("this model", result[split]), *rivals.items()],
        key=lambda rival: rival[1].get(measures[0]) or 0.0,
        reverse=bool(run.facts.classes),
    )
    rows = [[name, *(spell(metrics.get(measure)) for measure in measures)] for name, metrics in ranked]
    head = ["", *(NAMES[measure] for measure in measures)]
    table = Table(head, rows, f"On the {SPLIT_WORDS[split]} split, fitted to the training split alone.", strong=1)
    words = (result.get("comparison") or {}).get("words", "")
    notes = [words + "." if words else "", *(sentence + "." for sentence in result.get("diagnosis") or ())]
    return Section("Against plain methods", notes=[note for note in notes if note], tables=[table] if rivals else [])


def training_curves(run: Run, plots: Plots) -> Section:
    """What changed from epoch to epoch."""
    return Section("Training curves", plots=plots["curves"])


def predictions(run: Run, plots: Plots) -> Section:
    """What the model says of the shown split, in plots and class by class."""
    said, names = run.predictions, run.facts.classes
    tables = []
    if said is not None and names:
        counts = confusion_counts(said.true, said.predicted, len(names))
        scores = class_scores(counts)
        rows = [
            [_shown(name), *(f"{scores[key][index]:.3f}" for key in scores), f"{counts[index].sum():,}"]
            for index, name in enumerate(names)
        ]
        folded = f"Scores of all {len(names)} classes" if len(names) > MAX_ROWS else ""
        head = ["Class", *(NAMES[key] for key in scores), "Samples"]
        tables.append(Table(head, rows, "Each class against the rest.", folded=folded))
    return Section(
        f"Predictions on the {SPLIT_WORDS[run.shown_split]} split", plots=plots["predictions"], tables=tables
    )


def worst_examples(run: Run, plots: Plots) -> Section:
    """Where the model errs most."""
    rows = [
        [_shown(row.text or row.id), _shown(row.true), _shown(row.predicted), _number(row.error, 3)]
        for row in run.examples[:MAX_EXAMPLES]
    ]
    if run.facts.task == "next_token":
        caption = "The error is in bits per character; predicted is the likeliest token at each place."
        return _examples(rows, caption, 3, plots)
    if run.facts.classes:
        caption = "The error is the probability that the true class lacks."
        return _examples(rows, caption, 3, plots)
    rows = [[row[0], _number(row[1]), _number(row[2]), row[3]] for row in rows]
    return _examples(rows, f"The error is absolute, in the unit of {run.facts.target}.", 1, plots)


def _examples(rows: list[list[str]], caption: str, numbers_from: int, plots: Plots) -> Section:
    head = ["Sample", "True", "Predicted", "Error"]
    tables = [Table(head, rows, caption, numbers_from)] if rows else []
    return Section("Worst examples", plots=plots["examples"], tables=tables)


def written(run: Run, plots: Plots) -> Section:
    """What a model of the next token writes by itself, and where its tokens' vectors lie."""
    rows = [[epoch, text.replace("\n", " ⏎ ")] for epoch, text in run.samples]
    words = "Each begins where a document does, and is drawn at the same temperature, 0.7." if rows else ""
    tables = [Table(["Epoch", "Text"], rows, words, numbers_from=2)] if rows else []
    return Section("What it writes" if rows else "What it learned of words", plots=plots["words"], tables=tables)


def learned_weights(run: Run, plots: Plots) -> Section:
    """What the weights say, where the truth is known."""
    known = coefficients(run)
    tables = []
    if known is not None:
        rows = [
            [_shown(name), spell(true), spell(learned), spell(learned - true)]
            for name, true, learned in zip(known.names, known.true.tolist(), known.learned.tolist(), strict=True)
        ]
        caption = "In raw units: what the prediction gains where the feature gains 1."
        folded = f"All {len(rows)} coefficients" if len(rows) > MAX_ROWS else ""
        tables.append(Table(["Feature", "True", "Learned", "Difference"], rows, caption, folded=folded))
    return Section("Learned coefficients", plots=plots["weights"], tables=tables)


def data(run: Run, plots: Plots) -> Section:
    """What was learned from, and what was inferred about it."""
    facts, said = run.facts, run.result["data"]
    splits = ", ".join(f"{split} {said['splits'][split]:,}" for split in SPLIT_WORDS if split in said["splits"])
    pairs = [
        ("Samples", f"{said['rows']:,}: {splits}"),
        ("Target", f"{facts.target} ({facts.task})"),
        ("Input", _spell_shape(facts.kind, facts.input_shape)),
    ]
    if facts.features:
        pairs.append(("Features", _listed([_shown(name) for name in facts.features])))
    if facts.classes:
        counted = [
            f"{_shown(name)} {number:,}" for name, number in zip(facts.classes, facts.class_counts, strict=False)
        ] or facts.classes
        pairs.append(
            (f"{len(facts.classes)} classes", _listed(counted) + (" training samples" if facts.class_counts else ""))
        )
    if "formula" in facts.truth:
        pairs.append(("Truth", f"{facts.target} = {facts.truth['formula']}"))
    pairs.append(("Fingerprint", str(said.get("fingerprint", ""))[:16]))
    found = [f"{finding['what']}; {finding['fix']}" for finding in run.result.get("doctor") or ()]
    return Section("Data", pairs=pairs, notes=[*found, *run.notes])


def reproduction(run: Run, plots: Plots) -> Section:
    """How to get this run again."""
    result = run.result
    codes = [] if run.command is None else [Code(run.command)]
    if run.folder.config.exists():
        codes.append(Code(run.folder.config.read_text(encoding="utf-8").rstrip(), folded="The whole config"))
    threads = f", {count(result['threads'], 'thread')}" if result.get("device") == "cpu" else ""
    pairs = [
        ("Seed", str(result.get("seed"))),
        ("Device", f"{result.get('device')}{threads}"),
        ("Duration", spell_seconds(result["seconds"])),
        ("Training speed", f"{spell(result['samples_per_second'], 3)} samples per second"),
        ("Parameters", f"{result['parameters']:,}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in result.get("versions", {}).items())),
    ]
    if result.get("git"):
        commit = str(result["git"])
        pairs.append(("Commit", commit[:12] + (" with changes on top" if commit.endswith("+") else "")))
    return Section("Reproduce", pairs=pairs, codes=codes)


SECTIONS: Sequence[SectionBuilder] = (
    key_numbers,
    plain_methods,
    training_curves,
    predictions,
    worst_examples,
    written,
    learned_weights,
    data,
    reproduction,
)


def _spell_shape(kind: str, shape: Sequence[int]) -> str:
    if kind == "image":
        channels, height, width = shape
        return f"{width} × {height} pixels, {count(channels, 'channel')}"
    if kind in ("text", "corpus"):
        return f"up to {count(shape[0], 'token')}"
    return count(math.prod(shape), "feature")


def _shown(name: str) -> str:
    return shorten(name, MAX_WIDTH)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return " · ".join(names[:MAX_NAMES]) + (f" · and {more:,} more" if more > 0 else "")


def _number(text: str, digits: int = 4) -> str:
    try:
        return spell(float(text), digits)
    except ValueError:
        return text
