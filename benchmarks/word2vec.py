"""Word vectors of dltrain and of gensim from the same sentences: scores of generated meanings, and CPU seconds.

pip install gensim
python benchmarks/word2vec.py --rows 1500 6000 --seeds 3
python benchmarks/word2vec.py --rows --text reviews.txt --epochs 5      # seconds alone
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from gensim.models import Word2Vec as Gensim
from torch.optim.lr_scheduler import OneCycleLR

from dltrain.data.loader import TensorLoader
from dltrain.data.samples.meanings import Meanings, write_meanings
from dltrain.data.tokens import SPECIAL, Vocabulary
from dltrain.kinds.words.encoder import WordsEncoder, split_sentences
from dltrain.kinds.words.kind import Words
from dltrain.kinds.words.load import words
from dltrain.kinds.words.noise import NoiseWords
from dltrain.models.word2vec import Word2Vec
from dltrain.tasks.losses import NegativeSampling
from dltrain.tasks.similar_words import SimilarWords
from dltrain.types import Spec

WIDTH, RATE = 100, 0.01


def train_gensim(texts: Sequence[str], method: str, epochs: int, seed: int) -> tuple[SimilarWords, float]:
    sentences = [sentence for text in texts for sentence in split_sentences(text)]
    began = process_time()
    model = Gensim(
        sentences, vector_size=WIDTH, window=5, negative=5, min_count=5, sample=1e-3, sg=int(method == "skipgram"),
        workers=1, epochs=epochs, seed=seed + 1,
    )  # fmt: skip
    seconds = process_time() - began
    vectors = np.concatenate([np.zeros((len(SPECIAL), WIDTH)), model.wv.vectors])
    return SimilarWords(Vocabulary("word", (*SPECIAL, *model.wv.index_to_key)), vectors), seconds


def train_dltrain(source: dict[str, Any], method: str, epochs: int, seed: int) -> tuple[SimilarWords, float]:
    """Trains as the recipe of words does, on all sentences; reading and windows count as they do for gensim."""
    began = process_time()
    data = words(**source, method=method, val_fraction=0, test_fraction=0)
    encoder, split = WordsEncoder.of(data.facts), data.splits["train"]
    torch.manual_seed(seed)
    model = Word2Vec(Spec("words", data.facts.input_shape, 1, vocab_sizes=data.facts.vocab_sizes), WIDTH)
    size = Words.budget.batch_size(len(split))
    loader = TensorLoader(split, size, torch.device("cpu"), draw=NoiseWords.of(encoder), seed=seed)
    optimizer, loss = torch.optim.Adam(model.parameters(), RATE), NegativeSampling(data.facts)
    schedule = OneCycleLR(optimizer, RATE, total_steps=epochs * len(loader), pct_start=0.2)
    for epoch in range(epochs):
        loader.set_epoch(epoch)
        for batch in loader:
            loss(model(*batch.inputs), batch.target).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return SimilarWords(encoder.vocabulary, model.vectors.detach().numpy()), process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[1500, 6000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--text", help="a text file, for which seconds are measured")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train_dltrain({"rows": 200}, "skipgram", 1, 0)  # loads what torch loads at first use
    for rows in arguments.rows:
        meanings = write_meanings(rows, 0)
        for method in ("skipgram", "cbow"):
            for seed in range(arguments.seeds):
                compare(f"{rows} {method}", meanings.sentences, {"rows": rows}, meanings, arguments.epochs, seed)
    if arguments.text:
        texts = [Path(arguments.text).read_text(encoding="utf-8")]
        for method in ("skipgram", "cbow"):
            compare(f"{arguments.text} {method}", texts, {"path": arguments.text}, None, arguments.epochs, 0)


def compare(
    name: str, texts: Sequence[str], source: dict[str, Any], meanings: Meanings | None, epochs: int, seed: int
) -> None:
    """Trains both on the same texts, and prints scores and seconds."""
    method = name.rpartition(" ")[2]
    theirs, ours = train_gensim(texts, method, epochs, seed), train_dltrain(source, method, epochs, seed)
    for program, (similar, seconds) in (("gensim", theirs), ("dltrain", ours)):
        scores = ""
        if meanings is not None:
            odd, pairs = similar.score_odd_ones(meanings.groups), similar.score_pairs(meanings.pairs)
            scores = f"odd {odd:.3f} pairs {pairs:.3f} "
        print(f"{name} seed {seed} {program}: {scores}{seconds:.2f} s", flush=True)


if __name__ == "__main__":
    main()
