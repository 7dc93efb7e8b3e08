"""The normal form of texts, by which copies are told."""

from __future__ import annotations

import html
import re
import unicodedata

LINK = re.compile(r"(https?://|www\.)\S+", re.IGNORECASE)
WORD = re.compile(r"\w+")


def normal_form(text: str) -> str:
    """Returns what is equal for a text and a copy of it: its words, without case, marks and links."""
    plain = unicodedata.normalize("NFKC", html.unescape(text)).casefold()
    return " ".join(WORD.findall(LINK.sub(" ", plain))) or " ".join(plain.split())
