"""Word vectors of dltrain and of gensim from the same generated sentences: scores of their meanings, and CPU seconds.

pip install gensim
python benchmarks/word2vec.py --rows 1500 6000 --seeds 3
"""

from __future__ import annotations

import argparse
from time import process_time

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

EPOCHS, WIDTH, RATE = 30, 100, 0.01


def train_gensim(meanings: Meanings, method: str, seed: int) -> tuple[SimilarWords, float]:
    sentences = [sentence for text in meanings.sentences for sentence in split_sentences(text)]
    began = process_time()
    model = Gensim(
        sentences, vector_size=WIDTH, window=5, negative=5, min_count=5, sample=1e-3, sg=int(method == "skipgram"),
        workers=1, epochs=EPOCHS, seed=seed + 1,
    )  # fmt: skip
    seconds = process_time() - began
    vectors = np.concatenate([np.zeros((len(SPECIAL), WIDTH)), model.wv.vectors])
    return SimilarWords(Vocabulary("word", (*SPECIAL, *model.wv.index_to_key)), vectors), seconds


def train_dltrain(rows: int, method: str, seed: int) -> tuple[SimilarWords, float]:
    """Trains as the recipe of words does, on all sentences; reading and windows count as they do for gensim."""
    began = process_time()
    data = words(rows=rows, method=method, val_fraction=0, test_fraction=0)
    encoder, split = WordsEncoder.of(data.facts), data.splits["train"]
    torch.manual_seed(seed)
    model = Word2Vec(Spec("words", data.facts.input_shape, 1, vocab_sizes=data.facts.vocab_sizes), WIDTH)
    size = Words.budget.batch_size(len(split))
    loader = TensorLoader(split, size, torch.device("cpu"), draw=NoiseWords.of(encoder), seed=seed)
    optimizer, loss = torch.optim.Adam(model.parameters(), RATE), NegativeSampling(data.facts)
    schedule = OneCycleLR(optimizer, RATE, total_steps=EPOCHS * len(loader), pct_start=0.2)
    for epoch in range(EPOCHS):
        loader.set_epoch(epoch)
        for batch in loader:
            loss(model(*batch.inputs), batch.target).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return SimilarWords(encoder.vocabulary, model.vectors.detach().numpy()), process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1500, 6000])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for rows in arguments.rows:
        meanings = write_meanings(rows, 0)
        for method in ("skipgram", "cbow"):
            for seed in range(arguments.seeds):
                theirs, ours = train_gensim(meanings, method, seed), train_dltrain(rows, method, seed)
                for name, (similar, seconds) in (("gensim", theirs), ("dltrain", ours)):
                    odd, pairs = similar.score_odd_ones(meanings.groups), similar.score_pairs(meanings.pairs)
                    print(
                        f"{rows} {method} seed {seed} {name}: odd {odd:.3f} pairs {pairs:.3f} {seconds:.2f} s",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
