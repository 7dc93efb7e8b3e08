"""Generates sentences whose words have known meanings: groups of words, and pairs of a country and its capital."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Of each group: its words, and what is said of them alone.
GROUPS: dict[str, tuple[list[str], list[str]]] = {
    "animals": (
        ["cat", "dog", "horse", "sheep", "rabbit", "fox", "goat", "deer"],
        ["sleeps in the grass", "runs across the field", "hides from the hunter", "has soft fur and four legs"],
    ),
    "tools": (
        ["hammer", "saw", "drill", "wrench", "chisel", "plane", "file", "axe"],
        ["hangs above the workbench", "needs a new handle", "cuts wood and metal", "lies in the carpenter's box"],
    ),
    "meals": (
        ["soup", "bread", "rice", "cheese", "salad", "stew", "pie", "porridge"],
        ["tastes of salt and pepper", "is served on a plate", "cools beside the oven", "was cooked by the chef"],
    ),
    "instruments": (
        ["violin", "piano", "flute", "guitar", "drum", "harp", "trumpet", "cello"],
        ["plays a slow melody", "sounds from the stage", "is out of tune", "leads the orchestra in the concert"],
    ),
    "weather": (
        ["rain", "snow", "hail", "fog", "wind", "thunder", "frost", "drizzle"],
        ["comes from the west", "is in the forecast", "ends the dry season", "covers the hills at night"],
    ),
}
COUNTRY = [
    "the king of {country} rules over many provinces", "the army of {country} guards the border",
    "the laws of {country} are old", "{country} sends its coal abroad",
]  # fmt: skip
CAPITAL = [
    "the mayor of {capital} opens the new station", "the streets of {capital} are crowded",
    "the trams of {capital} stop at midnight", "{capital} builds a town hall",
]  # fmt: skip
BOTH = ["people in {place} drink {drink}", "the river {river} flows through {place}", "in {place} they speak {tongue}"]
STARTS = ["vel", "or", "tam", "bel", "kas", "mir", "dun", "sel", "gar", "lon", "pra", "ner"]
ENDINGS = {"country": "dania", "capital": "burg", "river": "ava", "drink": "ol", "tongue": "ish"}


@dataclass(frozen=True)
class Meanings:
    """Sentences, and what is known of their words.

    Args:
        sentences: in random order.
        groups: words that are alike, a tuple for each group.
        pairs: a country and its capital each.
    """

    sentences: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    pairs: tuple[tuple[str, str], ...]


def write_meanings(rows: int, seed: int) -> Meanings:
    """Returns so many sentences of random groups and places."""
    rng = np.random.default_rng(seed)
    places = [{part: start + ending for part, ending in ENDINGS.items()} for start in STARTS]
    kinds = list(GROUPS.values())
    sentences = []
    for draw in rng.random((rows, 4)).tolist():
        if draw[0] < 0.5:
            words, sayings = kinds[int(draw[1] * len(kinds))]
            sentences.append(f"the {words[int(draw[2] * len(words))]} {sayings[int(draw[3] * len(sayings))]} .")
            continue
        place, forms = places[int(draw[1] * len(places))], (*COUNTRY, *CAPITAL, *BOTH, *BOTH)
        of = place["country"] if draw[3] < 0.5 else place["capital"]
        sentences.append(forms[int(draw[2] * len(forms))].format(place=of, **place) + " .")
    pairs = tuple((place["country"], place["capital"]) for place in places)
    return Meanings(tuple(sentences), tuple(tuple(words) for words, _ in kinds), pairs)
