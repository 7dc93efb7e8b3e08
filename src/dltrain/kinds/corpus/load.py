"""Loads text for language models: a file, a folder, the sources of Python's library, or generated verse."""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from dltrain.data.samples.texts import write_verse
from dltrain.data.splits import Fraction
from dltrain.data.tokens import UNKNOWN, UnitChoice
from dltrain.errors import DataError, named_by
from dltrain.kinds.corpus.copies import Documents
from dltrain.kinds.corpus.documents import Document, cut_documents, divide, draw_documents, read_documents
from dltrain.kinds.corpus.encoder import CorpusEncoder
from dltrain.memory import refuse_rows
from dltrain.types import SPLITS, Data, Facts, Range, SplitName

FEWEST_CHARACTERS = 100
MANY_UNKNOWN = 0.01  # fraction of a split's tokens, above which there is a note
# Folders of Python's library that are left out.
SKIPPED = frozenset(["test", "tests", "idlelib", "idle_test", "lib2to3", "encodings", "site-packages", "__pycache__"])

Count = Annotated[int, Range(1)]


def corpus(
    *,
    path: str | None = None,
    tokens: UnitChoice = "auto",
    length: Annotated[int, Range(2)] = 128,
    characters: Annotated[int, Range(1)] | None = 1_000_000,
    vocabulary: Count = 8000,
    least: Count = 2,
    val_path: str | None = None,
    test_path: str | None = None,
    encoding: str = "auto",
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads a text file, or all text files below a folder; without a path, the sources of Python's library.

    Each document belongs to one split; if there are fewer than 50, or they are long compared with `characters`, each
    piece of one does.

    Args:
        path: the file or folder.
        tokens: `word`, `character`, or `bpe` for byte pairs learned from the training text; `auto` is `character`.
        length: tokens that a model looks back on.
        characters: the maximum number of characters, documents drawn at random; None for all.
        vocabulary: the maximum size of the vocabulary.
        least: how often a token must occur in the training texts.
        val_path: a file or folder for the validation split; None to cut it from `path`.
        test_path: the same for the test split.
        encoding: a Python encoding name, or `auto`.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: of the choice and the split.

    Raises:
        DataError: there is too little text, or it cannot be read.
    """
    if path is None:
        documents, _ = read_documents(Path(sysconfig.get_paths()["stdlib"]), "utf-8", SKIPPED, (".py",))
        notes: tuple[str, ...] = ("reads the sources of Python's standard library; give your own text with data.path",)
    else:
        documents, notes = read_documents(Path(path).expanduser(), encoding)
    held_out: dict[SplitName, list[Document]] = {}
    split_files: dict[SplitName, str | None] = {"val": val_path, "test": test_path}
    for name, split_file in split_files.items():
        if split_file is not None:
            with named_by(f"data.{name}_path"):
                held_out[name], guesses = read_documents(Path(split_file).expanduser(), encoding)
            notes += guesses
    settings = Settings(tokens, length, characters, vocabulary, least, val_fraction, test_fraction, seed)
    return build_data(Source(documents, held_out, notes), settings)


def verse(
    *,
    rows: Annotated[int, Range(50)] = 6000,
    length: Annotated[int, Range(2)] = 64,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Generates rhymed Chinese verse, with characters as tokens: poems of four lines of five characters.

    Args:
        rows: the number of poems.
        length: tokens that a model looks back on.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: of the poems and the split.
    """
    refuse_rows(rows, 200)
    poems = [Document(f"poem {number}", text) for number, text in enumerate(write_verse(rows, seed))]
    notes = (f"wrote {rows:,} poems",)
    settings = Settings("character", length, None, 8000, 2, val_fraction, test_fraction, seed)
    return build_data(Source(poems, {}, notes), settings)


@dataclass(frozen=True)
class Source:
    """Documents before they are split.

    Args:
        documents: the documents to train on; other splits are cut from these if they are not given.
        held_out: the documents of the splits that are given.
        notes: what was inferred.
    """

    documents: Sequence[Document]
    held_out: Mapping[SplitName, Sequence[Document]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """How documents are chosen, split and encoded, as in `corpus`; `size` is the maximum size of the vocabulary."""

    tokens: UnitChoice
    length: int
    characters: int | None
    size: int
    least: int
    val_fraction: float
    test_fraction: float
    seed: int


def build_data(source: Source, settings: Settings) -> Data:
    """Chooses and splits the documents, fits the encoder to the training documents, and returns all of them encoded.

    Raises:
        DataError: there is too little text.
    """
    total = sum(len(document.text) for document in source.documents)
    if total < FEWEST_CHARACTERS:
        raise DataError(f"{total} characters are too few for training", where="data.path", fix="give more text")
    notes = list(source.notes)
    rng = np.random.default_rng(settings.seed)
    characters = settings.characters
    pieces = draw_documents(cut_documents(source.documents, characters), characters, rng)
    drawn = sum(len(piece.text) for piece in pieces)
    if drawn < total:
        notes.append(f"takes {drawn:,} of {total:,} characters (data.characters=null takes all)")
    fractions = {"val": settings.val_fraction, "test": settings.test_fraction} | dict.fromkeys(source.held_out, 0.0)
    parts: dict[SplitName, Sequence[Document]] = {**divide(pieces, fractions, rng), **source.held_out}

    encoder = CorpusEncoder.fit(
        [document.text for document in parts["train"]],
        tokens=settings.tokens,
        length=settings.length,
        size=settings.size,
        least=settings.least,
    )
    unit, words = encoder.vocabulary.tokens, encoder.vocabulary.words
    notes.append(f"documents: {len(source.documents):,}; distinct {unit}s: {len(words):,}")
    streams = {name: encoder.read(parts[name]) for name in SPLITS if name in parts}
    splits = {
        name: encoder.training_windows(stream) if name == "train" else encoder.held_out_windows(stream)
        for name, stream in streams.items()
    }
    for name, stream in streams.items():
        unknown = float((stream.tokens == UNKNOWN).mean())
        if name != "train" and unknown > MANY_UNKNOWN:
            notes.append(f"{100 * unknown:.1f} % of the {unit}s of the {name} split are not in the vocabulary")
    facts = Facts(
        kind="corpus",
        task="next_token",
        input_shape=(encoder.length,),
        target=f"next {unit}",
        vocab_sizes=(len(encoder.vocabulary),),
        preprocessing=encoder.to_json(),
    )
    return Data(facts, splits, notes=tuple(notes), raw=Documents(parts))
