"""Finds text of held-out splits that is also in train: whole documents, or lines of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dltrain.data.cells import shorten
from dltrain.data.text_forms import normal_form
from dltrain.kinds.checks import Finding
from dltrain.kinds.copies import name_some
from dltrain.kinds.corpus.documents import Document
from dltrain.types import SPLITS, SplitName

FEWEST_CHARACTERS = 40  # of a line; shorter ones are often the same by chance
REPEATED = 0.05  # of a split's characters, in lines that are also in train, from which on it is said
SHOWN = 50  # characters of a line in a finding
FIX = "the loss is too low by them; leave out copies, or give splits of your own: data.val_path, data.test_path"
SENTENCE = re.compile(r"\n|(?<=[.!?。！？])\s*")


@dataclass(frozen=True)
class Documents:
    """The documents of each split, before they are encoded."""

    of: Mapping[SplitName, Sequence[Document]]


def check_copies(documents: Documents) -> Iterator[Finding]:
    """Yields documents of held-out splits that are also in train, and the share of lines that are."""
    held_out = [name for name in SPLITS if name != "train" and name in documents.of]
    whole = {normal_form(document.text): document for document in reversed(documents.of["train"])}
    seen = {line for document in documents.of["train"] for line, _ in _lines(document)}
    for name in held_out:
        found = [(one, whole[key]) for one in documents.of[name] if (key := normal_form(one.text)) and key in whole]
        if found:
            words = [f"{_place(one)} = {_place(other)}" for one, other in found]
            noun = (
                "documents" if all(one.whole and not one.start for one in documents.of[name]) else "parts of documents"
            )
            what = f"{len(found):,} of {len(documents.of[name]):,} {noun} in {name} are also in train"
            yield Finding("warning", f"{what}: {name_some(words)}", FIX)
            continue
        total = sum(len(text) for document in documents.of[name] for text in SENTENCE.split(document.text))
        lines = [line for document in documents.of[name] for line in _lines(document)]
        repeated = [text for line, text in lines if line in seen]
        share = sum(map(len, repeated)) / max(1, total)
        if share >= REPEATED:
            words = [shorten(text.strip(), SHOWN) for text in dict.fromkeys(repeated)]
            what = f"{100 * share:.0f} % of the characters in {name} are in lines and sentences that are also in train"
            yield Finding("warning", f"{what}: {name_some(words)}", FIX)


def _lines(document: Document) -> Iterator[tuple[str, str]]:
    """Yields each line or sentence that is not short, in its normal form and as it is."""
    for text in SENTENCE.split(document.text):
        if len(text) >= FEWEST_CHARACTERS and len(line := normal_form(text)) >= FEWEST_CHARACTERS // 2:
            yield line, text


def _place(document: Document) -> str:
    return document.name if document.whole and not document.start else f"{document.name}:{document.start}"
