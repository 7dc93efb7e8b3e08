"""The spellings of true and false."""

from __future__ import annotations

from collections.abc import Collection

TRUE_WORDS = """
    true t yes y on 1 1.0 ja j wahr oui vrai si sí sì verdadero sim vero да
    是 对 真 有 ✓ ✔
"""
FALSE_WORDS = """
    false f no n off 0 0.0 nein falsch non faux falso não нет
    否 不是 错 假 无 ✗ ✘
"""
TRUE, FALSE = frozenset(TRUE_WORDS.split()), frozenset(FALSE_WORDS.split())


def truth_of(text: str) -> bool | None:
    """Returns the truth value that a text spells; `None` if it spells none."""
    word = text.casefold()
    return True if word in TRUE else False if word in FALSE else None


def are_truth_values(values: Collection[str]) -> bool:
    """Tells whether texts are spellings of true and false, of both, and not all numbers."""
    spelled = {value.casefold() for value in values}
    return bool(spelled & TRUE and spelled & FALSE) and spelled <= TRUE | FALSE and not spelled <= {"0", "1"}
