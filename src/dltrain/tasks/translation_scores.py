"""BLEU and chrF, the scores of machine translation, by the package sacrebleu."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec


def is_scorer_installed() -> bool:
    """Tells whether sacrebleu is installed."""
    return find_spec("sacrebleu") is not None


def translation_scores(answers: Sequence[str], true: Sequence[str]) -> dict[str, float]:
    """Returns BLEU (Papineni et al., 2002) and chrF (Popović, 2015) of a whole corpus; nothing without sacrebleu.

    Texts in Chinese, Japanese or Korean are split into characters for BLEU.
    """
    if not is_scorer_installed() or not answers:
        return {}
    from sacrebleu.metrics import BLEU, CHRF

    from dltrain.data.tokens import choose_tokens

    tokenizer = "char" if choose_tokens(true) == "character" else "13a"
    bleu = BLEU(tokenize=tokenizer, effective_order=False, force=True)
    return {
        "bleu": float(bleu.corpus_score(list(answers), [list(true)]).score),
        "chrf": float(CHRF().corpus_score(list(answers), [list(true)]).score),
    }
