"""Loads words with their neighbours: from a file, a folder, or generated sentences with known meanings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from dltrain.data.samples.meanings import write_meanings
from dltrain.data.splits import Fraction
from dltrain.data.tokens import SPECIAL, Vocabulary
from dltrain.errors import DataError
from dltrain.kinds.corpus.documents import Document, cut_documents, divide, draw_documents, read_documents
from dltrain.kinds.words.encoder import Method, Sentences, WordsEncoder, read_word_lines, split_sentences
from dltrain.memory import refuse_rows
from dltrain.types import SPLITS, Data, Facts, Range, Split, SplitName

Count = Annotated[int, Range(1)]
Counts = NDArray[np.int64]
Groups = tuple[tuple[str, ...], ...]


def words(
    *,
    path: str | None = None,
    method: Method = "skipgram",
    window: Count = 5,
    negatives: Count = 5,
    vocabulary: Count = 30_000,
    least: Count = 5,
    subsample: Annotated[float, Range(0, 1)] = 0.001,
    characters: Count | None = 10_000_000,
    groups: str | None = None,
    pairs: str | None = None,
    encoding: str = "auto",
    rows: Annotated[int, Range(100)] = 6000,
    val_fraction: Fraction = 0.05,
    test_fraction: Fraction = 0.05,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Reads a text file, or all text files below a folder; without a path, generates sentences with known meanings.

    Args:
        path: the file or folder.
        method: `skipgram` learns each word around a word by itself, `cbow` the word by all around it.
        window: the largest distance of two words; each word looks as far as it draws, up to that.
        negatives: how many noise words weigh as much as all that a batch of words is compared with.
        vocabulary: the maximum number of distinct words.
        least: how often a word must occur in the training text.
        subsample: share of the text above which a word is read less often; 0 for never (Mikolov et al., 2013).
        characters: the maximum number of characters, documents drawn at random; None for all.
        groups: a file with a group of similar words a line, of which odd ones are told apart.
        pairs: a file with two related words a line, such as a country and its capital.
        encoding: a Python encoding name, or `auto`.
        rows: the number of generated sentences.
        val_fraction: share of the validation split; 0 for none.
        test_fraction: share of the test split; 0 for none.
        seed: of the split, the windows, and the generated sentences.

    Raises:
        DataError: there is too little text, or it cannot be read.
    """
    known: dict[str, Groups] = {"groups": (), "pairs": ()}
    if path is None:
        refuse_rows(rows, 100)
        meanings = write_meanings(rows, seed)
        documents = [Document(f"sentence {number}", text) for number, text in enumerate(meanings.sentences)]
        notes: tuple[str, ...] = (f"wrote {rows:,} sentences with known meanings; give your own text with data.path",)
        known = {"groups": meanings.groups, "pairs": meanings.pairs}
    else:
        documents, notes = read_documents(Path(path).expanduser(), encoding)
    for name, file in (("groups", groups), ("pairs", pairs)):
        if file is not None:
            known[name] = read_word_lines(file, f"data.{name}")
    rng = np.random.default_rng(seed)
    total = sum(len(document.text) for document in documents)
    pieces = draw_documents(cut_documents(documents, characters), characters, rng)
    if (drawn := sum(len(piece.text) for piece in pieces)) < total:
        notes += (f"takes {drawn:,} of {total:,} characters (data.characters=null takes all)",)
    parts = divide(pieces, {"val": val_fraction, "test": test_fraction}, rng)

    texts = {name: [split_sentences(piece.text) for piece in part] for name, part in parts.items()}
    sentences = [sentence for text in texts["train"] for sentence in text]
    learned = Vocabulary.learn(sentences, "word", size=vocabulary, least=least)
    if len(learned.words) < 2:
        raise DataError(
            f"fewer than two words occur {least} times in the training text",
            where="data.least",
            fix="give more text, or keep rarer words",
            override="data.least=1",
        )
    draft = WordsEncoder(learned, (), method, window, negatives)
    numbered = {name: draft.number(part) for name, part in texts.items()}
    counts = np.bincount(numbered["train"].words, minlength=len(learned))[len(SPECIAL) :]
    encoder = WordsEncoder(learned, tuple(counts.tolist()), method, window, negatives)
    read = {name: thinned(part, counts, subsample, rng) for name, part in numbered.items()}
    splits = {name: _split(encoder, read[name], rng) for name in SPLITS if name in read}
    total_words = sum(len(part.words) for part in numbered.values())
    notes += (f"distinct words: {len(learned.words):,}; words: {total_words:,}, after subsampling {_total(read):,}",)
    facts = Facts(
        kind="words",
        task="word_vectors",
        input_shape=(encoder.places,),
        target="words by their neighbours",
        vocab_sizes=(len(learned),),
        preprocessing=encoder.to_json() | {name: [list(line) for line in lines] for name, lines in known.items()},
    )
    return Data(facts, splits, notes=notes)


def thinned(part: Sentences, counts: Counts, subsample: float, rng: np.random.Generator) -> Sentences:
    """Returns sentences with frequent words left out at random: of a word with the share `f` of all words, the share
    `sqrt(t / f) + t / f` stays, where `t` is `subsample`."""
    if not subsample:
        return part
    shares = counts / counts.sum()
    stays = np.concatenate([np.ones(len(SPECIAL)), np.sqrt(subsample / shares) + subsample / shares])
    return part.of(rng.random(len(part.words)) < stays[part.words])


def _split(encoder: WordsEncoder, sentences: Sentences, rng: np.random.Generator) -> Split:
    around, word = encoder.windows(sentences, rng)
    entries = encoder.vocabulary.entries
    return Split((around, word), word, tuple(entries[number] for number in word.tolist()))


def _total(parts: dict[SplitName, Sentences]) -> int:
    return sum(len(part.words) for part in parts.values())
