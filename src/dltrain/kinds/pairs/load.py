"""Loads pairs of a source and its answer: a table, two files of parallel lines, or generated sums and number words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import torch

from dltrain.data.cells import name_list
from dltrain.data.samples.pairs import write_number_words, write_sums
from dltrain.data.splits import Fraction
from dltrain.data.table_format import Header, TableFormat
from dltrain.data.tokens import END, UNKNOWN, UnitChoice
from dltrain.errors import DataError
from dltrain.kinds.pairs.encoder import PairsEncoder, digests
from dltrain.kinds.pairs.read import Files, Source, read_source
from dltrain.kinds.pairs.split import split_pairs
from dltrain.kinds.pairs.unit import choose_unit
from dltrain.memory import refuse_rows
from dltrain.tasks.translation_scores import is_scorer_installed
from dltrain.types import SPLITS, Data, Facts, Range, Split, SplitName

MANY_UNKNOWN = 0.01  # fraction of a split's tokens, above which there is a note

Count = Annotated[int, Range(1)]


def pairs(
    *,
    path: str,
    target_path: str | None = None,
    text: str | None = None,
    target: str | None = None,
    tokens: UnitChoice = "auto",
    length: Count | None = None,
    vocabulary: Count = 30_000,
    least: Count = 2,
    val_path: str | None = None,
    val_target_path: str | None = None,
    test_path: str | None = None,
    test_target_path: str | None = None,
    group: str | None = None,
    encoding: str = "auto",
    delimiter: str = "auto",
    header: Header = "auto",
    skip: int | str = "auto",
    comment: str = "auto",
    quote: str = "auto",
    sheet: str | int | None = None,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads pairs from a table of two columns, or from two files whose lines belong together.

    Args:
        path: the table, or the file of sources.
        target_path: the file of answers; None where `path` is a table.
        text: the column of sources; None to find it.
        target: the column of answers; None to find it.
        tokens: `word`, `character`, or `bpe` for byte pairs learned from each side of the training pairs; `auto` is
            `word` where both sides repeat their words.
        length: the largest number of tokens of a source or an answer; None for the longest of the training pairs, at
            most 256.
        vocabulary: the maximum size of each vocabulary.
        least: how often a token must occur in the training pairs.
        val_path: files for the validation split; None to cut it from `path`.
        val_target_path: their answers, where `val_path` is a file of sources.
        test_path: the same for the test split.
        test_target_path: likewise.
        group: a column whose equal values stay in one split; None to keep sources of the same words together.
        encoding: a Python encoding name, or `auto`.
        delimiter: one character, `tab`, or `auto`; for CSV.
        header: `none` if the first line is data; columns then get the names column_1, column_2, ...
        skip: the number of lines above the table, or `auto`.
        comment: the character with which lines begin that are no rows, `none`, or `auto`; for CSV.
        quote: the character around cells, `none`, or `auto`; for CSV.
        sheet: the name of a sheet or its number, counted from 1; None to find it; for Excel.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: of the split.

    Raises:
        DataError: there is nothing to learn; the message says why.
    """
    for key, column in (("data.text", text), ("data.target", target)):
        if column is not None and target_path is not None:
            what = "lines of two files have no columns to choose from"
            raise DataError(what, where=key, fix="leave it out", override=f"{key}=null")
    files: dict[SplitName, Files] = {"train": Files(path, target_path)}
    held_out: dict[SplitName, tuple[str | None, str | None]] = {
        "val": (val_path, val_target_path),
        "test": (test_path, test_target_path),
    }
    for name, (sources, answers) in held_out.items():
        if (sources is None and answers is not None) or (sources and (answers is None) != (target_path is None)):
            given, missing = f"data.{name}_path", f"data.{name}_target_path"
            if answers is not None:
                given, missing = (missing, given) if sources is None else (missing, "data.target_path")
            raise DataError(f"{given} is given without {missing}", where=missing, fix=f"give both, or no {given}")
        if sources is not None:
            files[name] = Files(sources, answers)
    source = read_source(files, text, target, TableFormat(encoding, delimiter, header, skip, comment, quote, sheet))
    return build_data(
        source, Splitting(val_fraction, test_fraction, seed, group), Tokenisation(tokens, length, vocabulary, least)
    )


def sums(
    *,
    rows: Annotated[int, Range(20)] = 10_000,
    digits: Annotated[int, Range(1, 9)] = 3,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Generates sums of two numbers, such as `007+045`, and what they come to, such as `52`.

    A sum and the same one in the other order are in the same split.

    Args:
        rows: the number of sums.
        digits: of each number, zeros in front included.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: of the numbers and the split.
    """
    refuse_rows(rows, 200)
    questions, results = write_sums(rows, digits, seed)
    notes = (f"generated {len(questions):,} sums; give your own pairs with data=pairs data.path=FILE",)
    frame = pd.DataFrame({"sum": questions, "result": results}, dtype=object)
    source = Source({"train": frame}, "sum", "result", notes)
    return build_data(source, Splitting(val_fraction, test_fraction, seed), Tokenisation("character", None, 30_000, 1))


def number_words(
    *,
    rows: Annotated[int, Range(20, 1_000_000)] = 10_000,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Generates numbers below a million in English words, each once, and in digits.

    Args:
        rows: how many.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: of the numbers and the split.
    """
    spelled, numbers = write_number_words(rows, seed)
    notes = (f"generated {len(numbers):,} numbers; give your own pairs with data=pairs data.path=FILE",)
    frame = pd.DataFrame({"words": spelled, "number": numbers}, dtype=object)
    source = Source({"train": frame}, "words", "number", notes)
    return build_data(source, Splitting(val_fraction, test_fraction, seed), Tokenisation("character", None, 30_000, 1))


@dataclass(frozen=True)
class Splitting:
    """How pairs are split, as in `pairs`."""

    val_fraction: float
    test_fraction: float
    seed: int
    group: str | None = None


@dataclass(frozen=True)
class Tokenisation:
    """How texts become tokens, as in `pairs`; `size` is the maximum size of a vocabulary."""

    tokens: UnitChoice
    length: int | None
    size: int
    least: int


def build_data(source: Source, splitting: Splitting, tokenisation: Tokenisation) -> Data:
    """Splits the pairs, fits the encoder to the training pairs, and returns all of them encoded.

    Raises:
        DataError: there is nothing to learn.
    """
    notes = list(source.notes)
    frames, split_notes = split_frames(source, splitting)
    notes += split_notes
    texts = {name: frame[source.text].tolist() for name, frame in frames.items()}
    answers = {name: frame[source.target].tolist() for name, frame in frames.items()}
    unit, reason = choose_unit(texts["train"], answers["train"])
    tokens: UnitChoice = tokenisation.tokens
    if tokens == "auto":
        tokens = "character" if unit == "character" else "word"
    encoder = PairsEncoder.fit(
        texts["train"],
        answers["train"],
        tokens=tokens,
        length=tokenisation.length,
        size=tokenisation.size,
        least=tokenisation.least,
        text=source.text,
        target=source.target,
        has_header=source.has_header,
    )
    notes.append(note_tokens(encoder, reason if tokenisation.tokens == "auto" else ""))
    if tokens != "character" and not is_scorer_installed():
        notes.append("BLEU and chrF are measured where sacrebleu is installed: pip install 'dltrain[translation]'")
    splits = {name: encode_split(encoder, frame) for name, frame in frames.items()}
    notes += [*note_cut(encoder, splits), *note_several(texts, answers)]
    facts = Facts(
        kind="pairs",
        task="generation",
        input_shape=encoder.input_shape,
        target=source.target,
        vocab_sizes=encoder.vocab_sizes,
        preprocessing=encoder.to_json(),
    )
    trained = torch.from_numpy(np.unique(digests(splits["train"].tensors[0])))
    return Data(facts, splits, encoder.prepare, notes=tuple(notes), kept={"trained": trained})


def split_frames(source: Source, splitting: Splitting) -> tuple[dict[SplitName, pd.DataFrame], list[str]]:
    """Returns the pairs of each split: those of files of their own, and those that are cut from `train`; and notes.

    Raises:
        DataError: there is no such column to group by, or there are too few pairs.
    """
    train = source.frames["train"]
    fractions = {"val": splitting.val_fraction, "test": splitting.test_fraction} | dict.fromkeys(source.frames, 0.0)
    column = None
    if splitting.group is not None:
        if splitting.group not in train.columns:
            raise DataError(
                f"there is no column {splitting.group!r}",
                where="data.group",
                fix=f"name one of {name_list(train.columns)}, or none, to keep sources of the same words together",
                override="data.group=null",
            )
        column = train[splitting.group]
    parts, notes = split_pairs(
        train[source.text].tolist(),
        column,
        splitting.group,
        val_fraction=fractions["val"],
        test_fraction=fractions["test"],
        seed=splitting.seed,
    )
    frames: dict[SplitName, pd.DataFrame] = {name: train.iloc[rows] for name, rows in parts.items()}
    frames |= {name: frame for name, frame in source.frames.items() if name != "train"}
    return {name: frames[name] for name in SPLITS if name in frames}, notes


def encode_split(encoder: PairsEncoder, frame: pd.DataFrame) -> Split:
    """Returns the pairs of a frame as the samples of a split."""
    sources = frame[encoder.text].tolist()
    padded = encoder.encode_sources(sources)
    beginnings, target = encoder.encode_answers(frame[encoder.target].tolist())
    inputs = (torch.from_numpy(padded.tokens), torch.from_numpy(padded.lengths), beginnings)
    return Split(inputs, target, tuple(map(str, frame.index.tolist())), tuple(sources))


def note_tokens(encoder: PairsEncoder, reason: str) -> str:
    """Returns a note about the tokens, and why they are what they are if that was chosen."""
    unit, (longest, answer) = encoder.source.tokens, encoder.lengths
    why = f", because {reason} (data.tokens)" if reason else ""
    sizes = f"{len(encoder.source.words):,} in sources, {len(encoder.answer.words):,} in answers"
    return f"tokens are {unit}s{why}: {sizes}; at most {longest} a source and {answer} an answer"


def note_cut(encoder: PairsEncoder, splits: Mapping[SplitName, Split]) -> list[str]:
    """Returns notes on what is cut, and on tokens that are not in the vocabularies."""
    notes = []
    unit = encoder.source.tokens
    for name, split in splits.items():
        ended = (split.target == END).any(dim=1)
        if cut := int((~ended).sum()):
            notes.append(
                f"{cut:,} answers of the {name} split are longer than {encoder.lengths[1]} {unit}s: never right"
            )
        for side, tokens in (("sources", split.tensors[0]), ("answers", split.target)):
            share = float((tokens == UNKNOWN).sum() / (tokens > 0).sum().clamp(min=1))
            if name != "train" and share > MANY_UNKNOWN:
                notes.append(
                    f"{100 * share:.1f} % of the {unit}s in {side} of the {name} split are not in the vocabulary"
                )
    return notes


def note_several(texts: Mapping[SplitName, Sequence[str]], answers: Mapping[SplitName, Sequence[str]]) -> list[str]:
    """Returns a note on sources with several answers, of which a model can give one alone."""
    shown: SplitName = "test" if "test" in texts else "val" if "val" in texts else "train"
    counts: dict[str, Counter[str]] = {}
    for source, answer in zip(texts[shown], answers[shown], strict=True):
        counts.setdefault(source, Counter())[answer] += 1
    several = sum(len(of_source) > 1 for of_source in counts.values())
    if not several:
        return []
    best = sum(of_source.most_common(1)[0][1] for of_source in counts.values()) / len(texts[shown])
    return [
        f"{several:,} of {len(counts):,} sources of the {shown} split have several answers, and a model gives one: "
        f"at most {100 * best:.1f} % can be exact"
    ]
