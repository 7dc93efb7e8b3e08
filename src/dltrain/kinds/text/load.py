"""Loads labelled texts: a CSV file, folders of text files, or generated reviews."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from dltrain.data.cells import read_cells
from dltrain.data.folder_layout import FoldersMean
from dltrain.data.folds import Divided, FoldOption, Folds, FoldsOption, by_fold
from dltrain.data.nouns import count as spell_count
from dltrain.data.nouns import verb
from dltrain.data.splits import Fraction, Indices
from dltrain.data.table_format import Header, TableFormat
from dltrain.data.text_files import SUFFIXES
from dltrain.data.tokens import Padded, UnitChoice
from dltrain.kinds.forms import DecimalChoice, Reading, ThousandsChoice
from dltrain.kinds.joined_columns import UsedColumns
from dltrain.kinds.shared_ids import SharedIds
from dltrain.kinds.table.encoder import TableEncoder
from dltrain.kinds.table.notes import note_task
from dltrain.kinds.table.rows import Duplicates, Rows, split_rows
from dltrain.kinds.target import Target, infer_task
from dltrain.kinds.target_scale import check_outputs, scale_of_targets
from dltrain.kinds.text.cleaning import Clean
from dltrain.kinds.text.copies import leave_out_copies
from dltrain.kinds.text.encoder import SHARE_WHOLE, TextEncoder, inputs_of, join_texts
from dltrain.kinds.text.folders import OnBad, read_class_folders
from dltrain.kinds.text.read import generate_reviews, read_tables
from dltrain.kinds.text.source import Columns, Source
from dltrain.kinds.text.targets import list_form, settle_case, with_bars
from dltrain.kinds.text.tokenisation import Tokenisation
from dltrain.memory import refuse_rows
from dltrain.types import SPLITS, Data, Facts, Range, Split, SplitName

MUCH = 0.2  # share of all tokens that are cut off, above which there is a note
MANY_UNKNOWN = 0.1  # fraction of a split's tokens, above which there is a note

Count = Annotated[int, Range(1)]
T = TypeVar("T")


def text(
    *,
    path: str | None = None,
    target: str | Sequence[str] | None = None,
    text: str | Sequence[str] | None = None,
    use: str | Sequence[str] = (),
    task: str = "auto",
    tokens: UnitChoice = "auto",
    tokenizer: str | None = None,
    length: Count | None = None,
    vocabulary: Count = 30_000,
    least: Count = 2,
    val_path: str | None = None,
    test_path: str | None = None,
    group: str | None = None,
    encoding: str = "auto",
    delimiter: str = "auto",
    header: Header = "auto",
    skip: int | str = "auto",
    comment: str = "auto",
    quote: str = "auto",
    sheet: str | int | None = None,
    decimal: DecimalChoice = "auto",
    thousands: ThousandsChoice = "auto",
    ignore_case: bool | None = None,
    duplicates: Duplicates | Literal["auto"] = "auto",
    on_bad: OnBad = "error",
    folders: FoldersMean = "auto",
    clean: Clean = "auto",
    rows: Annotated[int, Range(10)] = 3000,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    folds: FoldsOption = None,
    fold: FoldOption = None,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads texts from a table, lines of fastText, `class/*.txt` or `train|val|test/class/*.txt`; without a path,
    generates reviews.

    Args:
        path: the file or folder.
        target: the column to predict, or several of numbers or of labels; None if only one is left besides the texts.
        text: the column of texts, or several, which are joined; None for those that carry words.
        use: columns of numbers or categories that join the texts in the model.
        task: `auto` decides by the target's values; a task of your own, by its dotted path, decides itself.
        tokens: `word`, `character`, or `bpe` for byte pairs learned from the training texts; `auto` uses characters if
            the script has no spaces between words.
        tokenizer: the folder or package of a pretrained network whose tokens to take, or the content of a
            `tokenizer.json`; None for that of the model.
        length: the largest number of tokens of a text; None for what 95 % of the training texts have, at most 512.
        vocabulary: the maximum size of the vocabulary.
        least: how often a token must occur in the training texts.
        val_path: a file of the same columns for the validation split; None to cut it from `path`.
        test_path: the same for the test split.
        group: a column whose equal values stay in one split.
        encoding: a Python encoding name, or `auto`.
        delimiter: one character, `tab`, or `auto`; for CSV.
        header: `none` if the first line is data; columns then get the names column_1, column_2, ...
        skip: the number of lines above the table, or `auto`.
        comment: the character with which lines begin that are no rows, `none`, or `auto`; for CSV.
        quote: the character around cells, `none`, or `auto`; for CSV.
        sheet: the name of a sheet or its number, counted from 1; None to find it; for Excel.
        decimal: the decimal mark of numbers to predict; `auto` decides by the column.
        thousands: the mark between groups of three digits, `none`, or `auto`.
        ignore_case: whether labels that differ by case alone are one label or several; None to ask.
        duplicates: whether repeated texts with the same target stay, `auto` for all but generated ones; those that
            differ in case, marks and links alone repeat each other.
        on_bad: whether a file that is empty or cannot be read stops the run or is left out.
        folders: whether the outermost folders are `classes` or `splits`; `auto` decides by their names and contents.
        clean: whether HTML, marks without width, wrong encodings and printed bytes or lists are cleaned away if texts
            hold them, here and in predictions; `none` reads texts as they are.
        rows: the number of generated reviews.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        folds: the number of folds of all texts that are not for testing, each with a model that has not learned from
            it; `auto` is 5 below 10,000 texts; None for none.
        fold: the fold that alone is the validation split, counted from 0; None for an ensemble of all folds.
        seed: of the split, and of the generated reviews.

    Raises:
        DataError: the data has nothing to learn; the message says why.
    """
    columns = Columns(_names(target), _names(text), group, task, _names(use))
    split_files: dict[SplitName, str] = {}
    if val_path is not None:
        split_files["val"] = val_path
    if test_path is not None:
        split_files["test"] = test_path
    if path is None:
        refuse_rows(rows, 300)
        source = generate_reviews(rows, seed)
    elif (folder := Path(path).expanduser()).is_dir():
        source = read_class_folders(folder, encoding, on_bad, folders)
    else:
        form = TableFormat(encoding, delimiter, header, skip, comment, quote, sheet)
        source = read_tables({"train": path, **split_files}, columns, form)
    source.check(columns, split_files)
    if clean == "auto":
        source = source.cleaned()
    if duplicates == "drop" or (duplicates == "auto" and path is None):
        source = leave_out_copies(source)
    return build_data(
        source,
        Goal(task, ignore_case, decimal, thousands),
        Splitting(val_fraction, test_fraction, seed, group, folds, fold),
        Tokenisation(tokens, tokenizer, length, vocabulary, least),
    )


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Returns the names of columns that the user gives."""
    return () if given is None else (given,) if isinstance(given, str) else tuple(dict.fromkeys(map(str, given)))


@dataclass(frozen=True)
class Goal:
    """How the target is read, as in `text`."""

    task: str
    ignore_case: bool | None
    decimal: DecimalChoice
    thousands: ThousandsChoice


@dataclass(frozen=True)
class Splitting:
    """How texts are split, as in `text`."""

    val_fraction: float
    test_fraction: float
    seed: int
    group: str | None
    folds: int | str | None = None
    fold: int | None = None


def build_data(source: Source, goal: Goal, splitting: Splitting, tokenisation: Tokenisation) -> Data:
    """Infers the target, splits the texts, fits the encoder to the training texts, and returns all of them encoded.

    Raises:
        DataError: the source has nothing to learn; the message says why.
    """
    frame = pd.concat(source.frames.values())
    lists = list_form(frame[source.target[0]]) if len(source.target) == 1 else ""
    if lists:
        frame = frame.assign(**{source.target[0]: with_bars(frame[source.target[0]], lists)})
    used = UsedColumns.read(frame, source.use, goal.decimal, goal.thousands) if source.use else None
    frame, case_note = settle_case(frame, source.target, goal.ignore_case)
    columns = frame[list(source.target)]
    reading = Reading.of((read_cells(columns[name]) for name in columns), goal.decimal, goal.thousands)
    target = infer_task(columns, goal.task, reading, find_lists=True)
    joined = [] if used is None else [f"{column.name} joins the texts as {column.role}" for column in used.columns]
    texts, names = join_texts(frame[list(source.text)]), source.row_names()

    def divide(fold: int | None) -> Data:
        divided = split_texts(source, frame, target, replace(splitting, fold=fold))
        of_split = {name: _take(texts, rows) for name, rows in divided.parts.items()}
        vocabulary, tokens = tokenisation.learn(of_split["train"])
        tokenised = {
            name: tokens if name == "train" else vocabulary.split_texts(part) for name, part in of_split.items()
        }
        of_columns: TableEncoder | None = None
        beside: dict[SplitName, NDArray[np.float32]] = {}
        if used is not None:
            of_columns, beside = used.encode(target.reader, target.y, divided.parts, splitting.seed)
        encoder = TextEncoder.fit(
            tokenised["train"],
            columns=source.text,
            reader=target.reader,
            vocabulary=vocabulary,
            length=tokenisation.length,
            has_header=source.has_header,
            ignore_case=bool(goal.ignore_case),
            suffixes=frozenset() if source.is_text_file else SUFFIXES,
            takes_bare_files=source.has_bare_files,
            clean=source.clean,
            one_line=source.holds_lines(),
            lists=lists,
            beside=of_columns,
        )
        padded = {name: encoder.encode_tokens(part) for name, part in tokenised.items()}
        splits = {
            name: Split(
                (*inputs_of(padded[name]), *([torch.from_numpy(beside[name])] if beside else [])),
                torch.from_numpy(target.y[rows]),
                tuple(_take(names, rows)),
                tuple(of_split[name]),
                fold=divided.of_split(name),
            )
            for name, rows in divided.parts.items()
        }
        notes = (*source.notes, *[case_note] * bool(case_note), *note_task(target), *joined, *divided.notes)
        facts = replace(gather_facts(encoder, target, target.y[divided.parts["train"]]), folds=divided.models)
        at_random = splitting.group is None and len(source.frames) == 1
        ids = SharedIds.find(frame, source.roles, divided.parts) if at_random else None
        return Data(facts, splits, encoder.prepare, notes=(*notes, *_notes_on_tokens(encoder, padded)), raw=ids)

    return by_fold(divide, splitting.fold)


def _take(items: Sequence[T], at: Indices) -> list[T]:
    return [items[row] for row in at.tolist()]


def split_texts(source: Source, frame: pd.DataFrame, target: Target, splitting: Splitting) -> Divided:
    """Returns the rows of each split, without those that have no label.

    Args:
        source: the source of the frame.
        frame: all rows, file by file.
        target: their targets.
        splitting: how to split the rows of the first file.
    """
    labelled = np.flatnonzero(target.present)
    files = np.concatenate([np.full(len(part), SPLITS.index(name)) for name, part in source.frames.items()])
    group = splitting.group
    inputs = {} if group is None else {group: read_cells(frame[group]).take(labelled)}
    given = tuple(name for name in source.frames if name != "train")
    folds = Folds.read(splitting.folds, splitting.fold, len(labelled), given=given)
    divided = split_rows(
        Rows(inputs, target.y[labelled], labelled, files[labelled]),
        val_fraction=splitting.val_fraction,
        test_fraction=splitting.test_fraction,
        seed=splitting.seed,
        stratify=target.form == "class",
        group=group,
        time=None,
        given=given,
        folds=folds,
        classes=target.classes,
    )
    of_all: Indices | None = None
    if divided.fold is not None:
        of_all = np.full(len(frame), -1)
        of_all[labelled[: len(divided.fold)]] = divided.fold
    return Divided({name: labelled[rows] for name, rows in divided.parts.items()}, of_all, divided.notes)


def gather_facts(encoder: TextEncoder, target: Target, y: NDArray[Any]) -> Facts:
    """Returns the facts that a model and later predictions need.

    Args:
        encoder: the encoder, fitted to the training texts.
        target: the targets of all texts.
        y: the training targets, as in `Split`.
    """
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    if target.form == "number":
        if target.outputs:
            check_outputs(y, target.outputs)
        mean, std = scale_of_targets(y, target.outputs)
    return Facts(
        kind="text",
        task=target.task,
        input_shape=(encoder.length,),
        target=target.name,
        outputs=target.outputs,
        classes=target.classes,
        class_counts=tuple(np.bincount(y, minlength=len(target.classes)).tolist()) if target.classes else (),
        vocab_sizes=(len(encoder.vocabulary),),
        target_mean=mean,
        target_std=std,
        preprocessing=encoder.to_json(),
    )


def _notes_on_tokens(encoder: TextEncoder, padded: dict[SplitName, Padded]) -> list[str]:
    """Returns notes about the tokens, about cut and empty texts, and about unknown tokens."""
    unit, length = encoder.vocabulary.tokens, encoder.length
    notes = [f"tokens are {unit}s: {len(encoder.vocabulary.words):,} distinct ones, at most {length} per text"]
    if cut := sum(int((part.cut > 0).sum()) for part in padded.values()):
        count = sum(len(part.lengths) for part in padded.values())
        lost = sum(int(part.cut.sum()) for part in padded.values())
        share = lost / (lost + sum(int(part.lengths.sum()) for part in padded.values()))
        notes.append(f"cut {cut:,} of {count:,} texts at {length} {unit}s (data.length)")
        if share > MUCH:
            whole = np.concatenate([part.lengths + part.cut for part in padded.values()])
            enough = int(np.percentile(whole, SHARE_WHOLE))
            notes.append(
                f"{100 * share:.0f} % of all {unit}s are not read, those at the ends of long texts: "
                f"data.length={enough} reads {SHARE_WHOLE} % of the texts whole, and takes longer"
            )
    if empty := sum(int(part.empty.sum()) for part in padded.values()):
        notes.append(
            f"{spell_count(empty, 'text')} {verb(empty, 'is', 'are')} empty: each counts as one unknown {unit}"
        )
    for name, part in padded.items():
        share = part.unknown.sum() / max(1, part.lengths.sum())
        if name != "train" and share > MANY_UNKNOWN:
            notes.append(f"{100 * share:.0f} % of the {unit}s of the {name} split are not in the vocabulary")
    return notes
