"""BLEU and chrF, the scores of machine translation, by the package sacrebleu."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from dltrain.data.tokens import choose_tokens

SENTENCE = 2  # words of an answer on average, below which BLEU, which counts runs of four, says nothing


def is_scorer_installed() -> bool:
    """Tells whether sacrebleu is installed."""
    return find_spec("sacrebleu") is not None


def translation_scores(answers: Sequence[str], true: Sequence[str]) -> dict[str, float]:
    """Returns BLEU (Papineni et al., 2002) and chrF (Popović, 2015) of a whole corpus; nothing without sacrebleu, or
    where the true answers are no sentences.

    Texts in scripts without spaces between words are split into characters for BLEU.
    """
    unspaced = choose_tokens(true) == "character"
    words = sum(len(text) if unspaced else len(text.split()) for text in true)
    if words < SENTENCE * len(true) or not is_scorer_installed():
        return {}
    from sacrebleu.metrics import BLEU, CHRF

    tokenizer = "char" if unspaced else "13a"
    bleu = BLEU(tokenize=tokenizer, effective_order=False, force=True)
    return {
        "bleu": float(bleu.corpus_score(list(answers), [list(true)]).score),
        "chrf": float(CHRF().corpus_score(list(answers), [list(true)]).score),
    }
