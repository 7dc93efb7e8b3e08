"""Text to be continued, token by token: a file, a folder, Python's own sources, or verse that is written here."""

from __future__ import annotations

import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from dltrain.data.samples.texts import write_verse
from dltrain.data.splits import Fraction
from dltrain.data.tokens import END, IGNORED, PADDING, SPECIAL, UNKNOWN, Choice, Tokens, Vocabulary, split_pieces
from dltrain.errors import DataError, named_by
from dltrain.kinds.corpus.documents import Document, cut_documents, divide, draw_documents, read_documents
from dltrain.types import SPLITS, Data, Facts, Range, Split, SplitName

FEWEST_CHARACTERS = 100
SKIPPED = {
    "test",
    "tests",
    "idlelib",
    "idle_test",
    "lib2to3",
    "encodings",
    "site-packages",
    "__pycache__",
}  # of Python's

Count = Annotated[int, Range(1)]


def corpus(
    *,
    path: str | None = None,
    tokens: Choice = "auto",
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
    """A text file, or all text files below a folder; without a path, sources of Python's own library.

    Documents stay whole in one split; where they are fewer than 50, or long beside `characters`, stretches of them do.

    Args:
        path: the file or folder.
        tokens: `word` or `character`; `auto` is `character`.
        length: tokens that a model looks back on.
        characters: most characters to take, documents drawn at random; none for all.
        vocabulary: most tokens that are told apart.
        least: how often a token must occur in the training texts.
        val_path: a file or folder that is the validation split; none to cut it from `path`.
        test_path: likewise for the test split.
        encoding: a Python encoding name, or `auto`.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: of the choice and the split.

    Raises:
        DataError: there is too little text, or it cannot be read.
    """
    if path is None:
        read, notes = read_documents(Path(sysconfig.get_paths()["stdlib"]), "utf-8", SKIPPED, (".py",))
        notes = ("reads the sources of Python's standard library; your own: data.path",)
    else:
        read, notes = read_documents(Path(path).expanduser(), encoding)
    given: dict[SplitName, list[Document]] = {}
    for name, other in (("val", val_path), ("test", test_path)):
        if other is not None:
            with named_by(f"data.{name}_path"):
                given[name], said = read_documents(Path(other).expanduser(), encoding)  # type: ignore[index]
            notes += said
    fractions = {"val": val_fraction, "test": test_fraction}
    return corpus_data(read, given, fractions, tokens, length, characters, vocabulary, least, seed, notes)


def verse(
    *,
    rows: Annotated[int, Range(50)] = 6000,
    length: Annotated[int, Range(2)] = 64,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.1,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Rhymed Chinese verse, character by character: four lines of five characters a poem.

    Args:
        rows: poems to write.
        length: tokens that a model looks back on.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: of the poems and the split.
    """
    poems = [Document(f"poem {number}", text) for number, text in enumerate(write_verse(rows, seed))]
    notes = (f"wrote {rows:,} poems",)
    fractions = {"val": val_fraction, "test": test_fraction}
    return corpus_data(poems, {}, fractions, "character", length, None, 8000, 2, seed, notes)


def corpus_data(
    documents: Sequence[Document],
    given: dict[SplitName, list[Document]],
    fractions: dict[str, float],
    tokens: Choice,
    length: int,
    characters: int | None,
    size: int,
    least: int,
    seed: int,
    notes: tuple[str, ...],
) -> Data:
    """Windows of `length` tokens over the documents of each split."""
    total = sum(len(document.text) for document in documents)
    if total < FEWEST_CHARACTERS:
        raise DataError(f"{total} characters are too few to learn from", where="data.path", fix="give more text")
    rng = np.random.default_rng(seed)
    pieces = draw_documents(cut_documents(documents, characters), characters, rng)
    taken = sum(len(piece.text) for piece in pieces)
    said = list(notes)
    if taken < total:
        said.append(f"takes {taken:,} of {total:,} characters (data.characters=null takes all)")
    parts = divide(pieces, {name: 0.0 if name in given else share for name, share in fractions.items()}, rng)
    parts |= {name: list(other) for name, other in given.items()}
    kind: Tokens = "character" if tokens == "auto" else tokens
    train = [split_pieces(document.text, kind) for document in parts["train"]]
    known = Vocabulary.learn(train, kind, size=size, least=least)
    if len(known) == len(SPECIAL):
        raise DataError(
            f"no {kind} occurs {least} times in the training texts", where="data.least", override="data.least=1"
        )
    said.append(f"documents: {len(documents):,}; distinct {kind}s: {len(known) - len(SPECIAL):,}")
    splits: dict[SplitName, Split] = {}
    for name in SPLITS:
        if name in parts:
            stream = stream_of(parts[name], known)
            # Held-out windows overlap by half, so that a token is judged with at least half a window before it.
            splits[name] = windows(stream, length, length if name == "train" else max(1, length // 2))
            unknown = float((stream.tokens == UNKNOWN).mean())
            if name != "train" and unknown > 0.01:
                said.append(f"{100 * unknown:.1f} % of the {kind}s of the {name} split are not in the vocabulary")
    facts = Facts(
        kind="corpus",
        task="next_token",
        input_shape=(length,),
        target=f"next {kind}",
        vocab_sizes=(len(known),),
        preprocessing=known.to_json() | {"length": length},
    )
    return Data(facts, splits, notes=tuple(said))


def windows(stream: Stream, length: int, stride: int) -> Split:
    """Windows over a stream of tokens, each with the tokens that follow; every token but the first is asked for once.

    Args:
        stream: at least two tokens.
        length: tokens a window.
        stride: tokens from the beginning of a window to that of the next one.
    """
    starts, tokens = [0], stream.tokens
    while starts[-1] + length < len(tokens) - 1:
        starts.append(starts[-1] + stride)
    inputs = np.full((len(starts), length), PADDING, dtype=np.int64)
    target = np.full((len(starts), length), IGNORED, dtype=np.int64)
    for row, start in enumerate(starts):
        window = tokens[start : start + length + 1]
        inputs[row, : len(window) - 1] = window[:-1]
        asked = 0 if row == 0 else length - stride  # what the window before has asked for
        target[row, asked : len(window) - 1] = window[asked + 1 :]
    return Split((torch.from_numpy(inputs),), torch.from_numpy(target), tuple(map(stream.spell_place, starts)))


@dataclass(frozen=True)
class Stream:
    """All tokens of a split, an end behind each document.

    Args:
        tokens: `(S,)`.
        documents: `(S,)` the number of the document that each is from.
        places: `(S,)` where in its file each begins, in characters.
        names: of the documents' files.
    """

    tokens: NDArray[np.int64]
    documents: NDArray[np.int64]
    places: NDArray[np.int64]
    names: tuple[str, ...]

    def spell_place(self, at: int) -> str:
        return f"{self.names[self.documents[at]]}:{self.places[at]}"


def stream_of(documents: Sequence[Document], known: Vocabulary) -> Stream:
    """The documents one behind the other.

    Raises:
        DataError: there is no text in them.
    """
    number = known.numbering()
    tokens, places, sizes = [], [], []
    for document in documents:
        pieces = split_pieces(document.text, known.tokens)
        ends = document.start + np.cumsum([0, *map(len, pieces)])
        tokens += [number(pieces), np.full(int(document.whole), END)]
        places.append(ends if document.whole else ends[:-1])
        sizes.append(len(places[-1]))
    if sum(sizes) < 2:
        raise DataError("a split of the corpus holds no text", where="data.path", fix="give more text")
    return Stream(
        np.concatenate(tokens),
        np.repeat(np.arange(len(documents)), sizes),
        np.concatenate(places),
        tuple(document.name for document in documents),
    )
