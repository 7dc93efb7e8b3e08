"""Numbers with their nouns and verbs, in the singular or the plural."""

from __future__ import annotations


def count(number: int, noun: str, plural: str = "") -> str:
    """Returns the number with its noun, which is given in the singular: `1 image`, `1,200 images`.

    Args:
        number: how many.
        noun: in the singular.
        plural: if it is not the noun with an s.
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or f'{noun}s'}"


def verb(number: int, singular: str, plural: str) -> str:
    """Returns the form of a verb that goes with so many things: `holds` or `hold`."""
    return singular if number == 1 else plural
