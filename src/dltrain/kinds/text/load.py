"""Loads labelled texts: a CSV file, folders of text files, or generated reviews."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from dltrain.data.cells import read_cells
from dltrain.data.splits import Fraction, Indices
from dltrain.data.table_format import Header, TableFormat
from dltrain.data.tokens import Padded, TokensChoice, choose_tokens, split_text
from dltrain.kinds.labels import TargetReader, class_names, read_target
from dltrain.kinds.table.rows import Rows, split_rows
from dltrain.kinds.table.scale import standardisation
from dltrain.kinds.target import choose_task
from dltrain.kinds.text.encoder import TextEncoder, inputs_of, texts_of
from dltrain.kinds.text.read import Columns, OnBad, Source, generate_reviews, read_class_folders, read_tables
from dltrain.types import SPLITS, Data, Facts, Range, Split, SplitName

MANY_UNKNOWN = 0.1  # fraction of a split's tokens, above which there is a note

Count = Annotated[int, Range(1)]
TextTask = Literal["auto", "regression", "classification"]


def text(
    *,
    path: str | None = None,
    target: str | None = None,
    text: str | None = None,
    task: TextTask = "auto",
    tokens: TokensChoice = "auto",
    length: Count | None = None,
    vocabulary: Count = 30_000,
    least: Count = 2,
    val_path: str | None = None,
    test_path: str | None = None,
    group: str | None = None,
    encoding: str = "auto",
    delimiter: str = "auto",
    header: Header = "auto",
    on_bad: OnBad = "error",
    rows: Annotated[int, Range(10)] = 3000,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads texts from a CSV file, `class/*.txt` or `train|val|test/class/*.txt`; without a path, generates reviews.

    Args:
        path: the file or folder.
        target: the column to predict; None if only one is left besides the text.
        text: the column of texts; None for the one with the longest cells.
        task: `auto` decides by the target's values.
        tokens: `word` or `character`; `auto` uses characters if the script has no spaces between words.
        length: the largest number of tokens of a text; None for what 95 % of the training texts have, at most 512.
        vocabulary: the maximum size of the vocabulary.
        least: how often a token must occur in the training texts.
        val_path: a file of the same columns for the validation split; None to cut it from `path`.
        test_path: the same for the test split.
        group: a column whose equal values stay in one split.
        encoding: a Python encoding name, or `auto`.
        delimiter: one character, `tab`, or `auto`; for CSV.
        header: `none` if the first line is data; columns then get the names column_1, column_2, ...
        on_bad: whether a file that is empty or cannot be read stops the run or is left out.
        rows: the number of generated reviews.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: of the split, and of the generated reviews.

    Raises:
        DataError: the data has nothing to learn; the message says why.
    """
    columns = Columns(target, text, group)
    split_files: dict[SplitName, str] = {}
    if val_path is not None:
        split_files["val"] = val_path
    if test_path is not None:
        split_files["test"] = test_path
    if path is None:
        source = generate_reviews(rows, seed)
    elif (folder := Path(path).expanduser()).is_dir():
        source = read_class_folders(folder, encoding, on_bad)
    else:
        source = read_tables({"train": path, **split_files}, columns, TableFormat(encoding, delimiter, header))
    source.check(columns, split_files)
    return build_data(
        source,
        task,
        Splitting(val_fraction, test_fraction, seed, group),
        Tokenisation(tokens, length, vocabulary, least),
    )


@dataclass(frozen=True)
class Splitting:
    """How texts are split, as in `text`."""

    val_fraction: float
    test_fraction: float
    seed: int
    group: str | None


@dataclass(frozen=True)
class Tokenisation:
    """How texts become tokens, as in `text`; `size` is the maximum size of the vocabulary."""

    tokens: TokensChoice
    length: int | None
    size: int
    least: int


def build_data(source: Source, task: TextTask, splitting: Splitting, tokenisation: Tokenisation) -> Data:
    """Infers the target, splits the texts, fits the encoder to the training texts, and returns all of them encoded.

    Raises:
        DataError: the source has nothing to learn; the message says why.
    """
    frame = pd.concat(source.frames.values())
    reader, y, reason = infer_target(frame[source.target], source.target, task)
    parts, split_notes = split_texts(source, frame, y.ravel(), splitting, stratify=reader.form == "class")

    texts = {name: texts_of(frame[source.text].iloc[rows]) for name, rows in parts.items()}
    tokens = choose_tokens(texts["train"]) if tokenisation.tokens == "auto" else tokenisation.tokens
    tokenised = {name: [split_text(text, tokens) for text in part] for name, part in texts.items()}
    encoder = TextEncoder.fit(
        tokenised["train"],
        column=source.text,
        reader=reader,
        tokens=tokens,
        length=tokenisation.length,
        size=tokenisation.size,
        least=tokenisation.least,
    )
    padded = {name: encoder.encode_tokens(part) for name, part in tokenised.items()}
    splits = {
        name: Split(
            inputs=inputs_of(padded[name]),
            target=torch.from_numpy(y[rows]),
            ids=tuple(map(str, frame.index[rows])),
            texts=tuple(texts[name]),
        )
        for name, rows in parts.items()
    }
    facts = gather_facts(encoder, y[parts["train"]].ravel())
    notes = (*source.notes, f"{reader.task}, because {reason}", *split_notes, *_notes_on_tokens(encoder, padded))
    return Data(facts, splits, encoder.prepare, notes=notes)


def infer_target(column: pd.Series[Any], name: str, task: TextTask) -> tuple[TargetReader, NDArray[Any], str]:
    """Returns the reader of the target, the targets in the column, `(N,)` or `(N, 1)`, and the reason for the task.

    Raises:
        DataError: the column cannot be predicted.
    """
    cells = read_target(column)
    chosen, reason = choose_task(name, cells, task)
    reader = TargetReader(name, chosen)
    if reader.form == "class":
        reader = TargetReader(name, chosen, classes=class_names(cells)[0])
    return reader, reader.encode({name: cells}), reason


def split_texts(
    source: Source, frame: pd.DataFrame, y: NDArray[Any], splitting: Splitting, *, stratify: bool
) -> tuple[dict[SplitName, Indices], list[str]]:
    """Returns the rows of each split, without those that have no label, and notes.

    Args:
        source: the source of the frame.
        frame: all rows, file by file.
        y: `(N,)` class indices or numbers; -1 or NaN if there is none.
        splitting: how to split the rows of the first file.
        stratify: whether classes have the same shares in each split.
    """
    labelled = np.flatnonzero(y >= 0 if stratify else ~np.isnan(y))
    files = np.concatenate([np.full(len(part), SPLITS.index(name)) for name, part in source.frames.items()])
    group = splitting.group
    inputs = {} if group is None else {group: read_cells(frame[group]).take(labelled)}
    parts, notes = split_rows(
        Rows(inputs, y[labelled], labelled, files[labelled]),
        val_fraction=splitting.val_fraction,
        test_fraction=splitting.test_fraction,
        seed=splitting.seed,
        stratify=stratify,
        group=group,
        time=None,
        given=tuple(name for name in source.frames if name != "train"),
    )
    if missing := len(frame) - len(labelled):
        notes.insert(0, f"left out {missing} of {len(frame)} texts, which have no value of {source.target}")
    return {name: labelled[rows] for name, rows in parts.items()}, notes


def gather_facts(encoder: TextEncoder, y: NDArray[Any]) -> Facts:
    """Returns the facts that a model and later predictions need.

    Args:
        encoder: the encoder, fitted to the training texts.
        y: `(N,)` the training targets.
    """
    classes = encoder.reader.classes
    mean, std = (0.0, 1.0) if classes else standardisation(y)
    return Facts(
        kind="text",
        task=encoder.reader.task,
        input_shape=(encoder.length,),
        target=encoder.reader.name,
        classes=classes,
        class_counts=tuple(np.bincount(y, minlength=len(classes)).tolist()) if classes else (),
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
        notes.append(f"cut {cut:,} of {count:,} texts at {length} {unit}s (data.length)")
    if empty := sum(int(part.empty.sum()) for part in padded.values()):
        notes.append(f"{empty:,} texts are empty: each counts as one unknown {unit}")
    for name, part in padded.items():
        share = part.unknown.sum() / max(1, part.lengths.sum())
        if name != "train" and share > MANY_UNKNOWN:
            notes.append(f"{100 * share:.0f} % of the {unit}s of the {name} split are not in the vocabulary")
    return notes
