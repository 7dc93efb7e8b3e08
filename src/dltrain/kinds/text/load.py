"""Texts and what they are labelled with: a CSV file, folders of text files, or reviews that are written here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltrain.data.cells import name_list, nearest, read_cells
from dltrain.data.class_folders import Sought, find_splits, refuse_bad, spell_path
from dltrain.data.column_names import pick_column
from dltrain.data.csv_reader import Header
from dltrain.data.samples.texts import write_reviews
from dltrain.data.splits import Fraction, Indices
from dltrain.data.table_files import read_table
from dltrain.data.text_files import SUFFIXES, read_each
from dltrain.data.tokens import SPECIAL, Choice, Padded, Vocabulary, choose_tokens, pad, split_text
from dltrain.errors import DataError, named_by
from dltrain.kinds.labels import class_names, read_target
from dltrain.kinds.table.numeric import standardisation
from dltrain.kinds.table.rows import Rows, split_rows
from dltrain.kinds.target import choose_task
from dltrain.types import SPLITS, Data, Facts, Range, Split, SplitName

LABEL_NAMES = (
    "label|labels|class|category|sentiment|target|标签|类别|分类|情感|情感倾向"  # of columns, as `plain` spells
)
TEXTS = Sought("texts", SUFFIXES, "class/*.txt, or give a CSV file")
LONGEST = 512  # tokens, where the length is not named
SHARE_WHOLE = 95  # per cent of the training texts that are not cut then

Count = Annotated[int, Range(1)]


@dataclass(frozen=True)
class Source:
    """Texts before they are split: a frame for each file or folder of its own, the one to split first.

    Args:
        frames: by split, `train` being what the others are cut from.
        target: the column to predict.
        text: the column to read.
        notes: what was inferred.
        whole: whether no other files belong to it.
    """

    frames: dict[SplitName, pd.DataFrame]
    target: str
    text: str
    notes: tuple[str, ...] = ()
    whole: bool = False


def text(
    *,
    path: str | None = None,
    target: str | None = None,
    text: str | None = None,
    task: Literal["auto", "regression", "classification"] = "auto",
    tokens: Choice = "auto",
    length: Count | None = None,
    vocabulary: Count = 30_000,
    least: Count = 2,
    val_path: str | None = None,
    test_path: str | None = None,
    group: str | None = None,
    encoding: str = "auto",
    delimiter: str = "auto",
    header: Header = "auto",
    on_bad: Literal["error", "skip"] = "error",
    rows: Annotated[int, Range(10)] = 3000,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Texts of a CSV file, or of `class/*.txt`, or of `train|val|test/class/*.txt`; without a path, generated reviews.

    Args:
        path: the file or folder.
        target: the column to predict; none where only one is left beside the text.
        text: the column to read; none for the one with the longest cells.
        task: `auto` decides by the target's values.
        tokens: `word` or `character`; `auto` takes characters where the script has no spaces between words.
        length: most tokens of a text, the first ones; none for as many as 95 % of the training texts have, at most 512.
        vocabulary: most tokens that are told apart.
        least: how often a token must occur in the training texts.
        val_path: a file of the same columns that is the validation split; none to cut it from `path`.
        test_path: likewise for the test split.
        group: name of a column whose equal values must not be divided between splits.
        encoding: a Python encoding name, or `auto`.
        delimiter: one character, `tab`, or `auto`; for CSV.
        header: `none` where the first line is data; columns are called column_1, column_2, ... then.
        on_bad: whether a file of a folder that is empty or cannot be read stops the run or is left out.
        rows: how many reviews to generate.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: of the split, and of the generated reviews.

    Raises:
        DataError: nothing can be learned from it, and why.
    """
    if path is None:
        source = _generated(rows, seed)
    elif Path(path).expanduser().is_dir():
        source = _from_folder(Path(path).expanduser(), encoding, on_bad)
    else:
        files: dict[SplitName, str | None] = {"train": path, "val": val_path, "test": test_path}
        source = _from_table(files, target, text, group, encoding, delimiter, header)
    given = {"target": (target, source.target), "text": (text, source.text)}
    for key, (wanted, own) in given.items():
        if wanted not in (None, own):
            raise DataError(f"there is no column {wanted!r}", where=f"data.{key}", override=f"data.{key}={own}")
    if source.whole and (other := "val_path" if val_path else "test_path" if test_path else ""):
        raise DataError(
            "a folder holds its own splits", where=f"data.{other}", fix="leave it out", override=f"data.{other}=null"
        )
    frame = pd.concat(source.frames.values())
    texts = frame[source.text].fillna("").astype(str).to_numpy()
    labels = read_target(frame[source.target])
    chosen, reason = choose_task(source.target, labels, task)
    y: Any
    classes, y = class_names(labels) if chosen == "classification" else ((), labels.as_numbers())
    notes = [*source.notes, f"{chosen}, because {reason}"]
    if labels.missing:
        notes.append(f"left out {labels.missing} of {len(texts)} texts, which have no value of {source.target}")
    labelled = np.flatnonzero(labels.codes >= 0)
    owner = np.concatenate([np.full(len(part), SPLITS.index(name)) for name, part in source.frames.items()])
    inputs = {group: read_cells(frame[group]).take(labelled)} if group is not None and group in frame.columns else {}
    parts, said = split_rows(
        Rows(inputs, y[labelled], labelled, owner[labelled]),
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        seed=seed,
        stratify=chosen == "classification",
        group=group,
        time=None,
        given=tuple(name for name in source.frames if name != "train"),
    )
    parts = {name: labelled[at] for name, at in parts.items()}
    names = frame.index.astype(str).to_numpy()
    tokenised = _tokenise(texts, parts, tokens, length, vocabulary, least)
    notes += [*said, *tokenised.notes]
    train = parts["train"]
    mean, std = standardisation(y[train]) if chosen == "regression" else (0.0, 1.0)
    facts = Facts(
        kind="text",
        task=chosen,
        input_shape=(tokenised.length,),
        target=source.target,
        classes=classes,
        class_counts=tuple(np.bincount(y[train], minlength=len(classes)).tolist()) if classes else (),
        vocab_sizes=(len(tokenised.vocabulary),),
        target_mean=mean,
        target_std=std,
        preprocessing=tokenised.vocabulary.to_json() | {"text": source.text, "length": tokenised.length},
    )
    splits = {
        name: Split(
            (torch.from_numpy(tokenised.padded[name].tokens), torch.from_numpy(tokenised.padded[name].lengths)),
            torch.from_numpy(y[at] if classes else y[at, None]),
            tuple(names[at].tolist()),
            tuple(texts[at].tolist()),
        )
        for name, at in parts.items()
    }
    return Data(facts, splits, trim, notes=tuple(notes))


def trim(inputs: tuple[Tensor, ...], /) -> tuple[Tensor, ...]:
    """Leaves out the padding that every text of a batch has, on the CPU; elsewhere looking would hold up the device."""
    tokens, lengths = inputs
    if lengths.device.type != "cpu" or torch.compiler.is_compiling():  # an export is of one shape
        return tokens, lengths
    return tokens[:, : int(lengths.max())], lengths


@dataclass(frozen=True)
class Tokenised:
    """Every split's texts as numbers, by what the training texts taught."""

    vocabulary: Vocabulary
    length: int
    padded: dict[SplitName, Padded]
    notes: tuple[str, ...]


def _tokenise(
    texts: NDArray[Any], parts: dict[SplitName, Indices], tokens: Choice, length: int | None, size: int, least: int
) -> Tokenised:
    train = texts[parts["train"]]
    kind = choose_tokens(train) if tokens == "auto" else tokens
    split = {name: [split_text(one, kind) for one in texts[at]] for name, at in parts.items()}
    counts = [len(one) for one in split["train"]]
    if not any(counts):
        raise DataError("the training texts are all empty", where="data.text", fix="name the column that holds texts")
    if length is None:
        length = min(LONGEST, max(1, int(np.percentile(counts, SHARE_WHOLE))))
    vocabulary = Vocabulary.learn(split["train"], kind, size=size, least=least)
    if len(vocabulary) == len(SPECIAL):
        raise DataError(
            f"no {kind} occurs {least} times in the training texts",
            where="data.least",
            fix="give more texts, or keep those that occur once",
            override="data.least=1",
        )
    padded = {name: pad(part, vocabulary, length) for name, part in split.items()}
    notes = [f"texts are read by the {kind}: {len(vocabulary) - len(SPECIAL):,} distinct ones, {length} at most a text"]
    every = list(padded.values())
    cut = sum(int((part.cut > 0).sum()) for part in every)
    if cut:
        notes.append(f"cut {cut:,} of {sum(map(len, split.values())):,} texts at {length} {kind}s (data.length)")
    if empty := sum(int(part.empty.sum()) for part in every):
        notes.append(f"{empty:,} texts are empty: each counts as one unknown {kind}")
    held_out = {name: part for name, part in padded.items() if name != "train"}
    for name, part in held_out.items():
        share = part.unknown.sum() / max(1, part.lengths.sum())
        if share > 0.1:
            notes.append(f"{100 * share:.0f} % of the {kind}s of the {name} split are not in the vocabulary")
    return Tokenised(vocabulary, length, padded, tuple(notes))


def _generated(rows: int, seed: int) -> Source:
    texts, labels = write_reviews(rows, seed)
    frame = pd.DataFrame({"text": texts, "sentiment": labels}, dtype=object)
    return Source({"train": frame}, "sentiment", "text", (f"wrote {rows:,} short reviews; your own: data.path",), True)


def _from_folder(folder: Path, encoding: str, on_bad: str) -> Source:
    found = find_splits(folder, TEXTS)
    frames: dict[SplitName, pd.DataFrame] = {}
    notes: tuple[str, ...] = ()
    bad: list[tuple[Path, str]] = []
    for name, part in found.items():
        texts, said = read_each(part.files, encoding)
        why = [_why_bad(text) for text in texts]
        bad += [(file, reason) for file, reason in zip(part.files, why, strict=True) if reason]
        names = [spell_path(file.relative_to(folder)) for file in part.files]
        frame = pd.DataFrame({"text": texts, "class": map(spell_path, part.labels)}, index=names, dtype=object)
        frames[name] = frame[[not reason for reason in why]]
        notes += said
    if on_bad == "error":
        refuse_bad(bad, sum(len(part.files) for part in found.values()), folder, "texts")
    if bad:
        notes += (f"left out {len(bad)} texts that cannot be read, such as {spell_path(bad[0][0].name)}",)
    if gone := [name for name, frame in frames.items() if frame["class"].nunique() < (2 if name == "train" else 1)]:
        raise DataError(f"too few texts of the {gone[0]} split can be read", where=str(folder), fix="mend some")
    if ignored := sum(part.ignored for part in found.values()):
        notes += (f"ignored {ignored} files that are no texts",)
    return Source(frames, "class", "text", tuple(dict.fromkeys(notes)), whole=True)


def _why_bad(text: str | DataError) -> str:
    """Why nothing can be learned from a file; empty where it can be."""
    if isinstance(text, DataError):
        return text.what
    return "" if text.strip() else "it is empty"


def _from_table(
    files: dict[SplitName, str | None],
    target: str | None,
    column: str | None,
    group: str | None,
    encoding: str,
    delimiter: str,
    header: Header,
) -> Source:
    frames: dict[SplitName, pd.DataFrame] = {}
    notes: list[str] = []
    for name, path in files.items():
        if path is None:
            continue
        with named_by("data.path" if name == "train" else f"data.{name}_path"):
            frames[name], said = read_table(path, encoding, delimiter, header)
        notes += said if name == "train" else [f"{name}: the {len(frames[name])} rows of {path}"]
    frame = frames["train"]
    for key, wanted in (("target", target), ("text", column), ("group", group)):
        if wanted is not None and wanted not in frame.columns:
            raise DataError(
                f"the table has no column {wanted!r}",
                where=f"data.{key}",
                fix=f"its columns are {name_list(frame.columns)}",
                override=f"data.{key}={(nearest(wanted, frame.columns) or list(frame.columns))[0]}",
            )
    if column is not None and column == target:
        raise DataError(
            f"{target!r} is to be read and to be predicted",
            where="data.text",
            fix="leave it to be found",
            override="data.text=null",
        )
    if column is None:
        others = [name for name in frame.columns if name not in (target, group)]
        if not others:
            raise DataError("the table has no column of texts", where="data.path", fix="give one beside the target")
        column = max(others, key=lambda name: float(frame[name].fillna("").astype(str).str.len().mean()))
        if len(others) > 1:
            notes.append(f"read {column}: its cells are the longest (data.text names another column)")
    if target is None:
        left = [name for name in frame.columns if name not in (column, group)]
        target = pick_column(frame, "target", None, LABEL_NAMES, (column, group or ""))
        if target is None and len(left) == 1:
            (target,) = left
        if target is None:
            raise DataError(
                "no target: which column is to be predicted?",
                where="data.target",
                fix=f"choose one of {name_list(left)}" if left else "give a column of labels beside the texts",
                override=f"data.target={left[-1]}" if left else "",
            )
        why = "the only other column" if len(left) == 1 else "by its name"
        notes.append(f"predicts {target}, {why} (data.target names another)")
    for name, other in frames.items():
        absent = [wanted for wanted in (column, target) if wanted not in other.columns]
        if absent:
            raise DataError(
                f"the {name} file has no column {absent[0]!r}",
                where=f"data.{name}_path",
                fix=f"its columns are {name_list(other.columns)}",
            )
    return Source({name: other.reset_index(drop=True) for name, other in frames.items()}, target, column, tuple(notes))
