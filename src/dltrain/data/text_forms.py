"""The normal form of texts, by which copies are told."""

from __future__ import annotations

import html
import re
import unicodedata

LINK = re.compile(r"(https?://|www\.)\S+", re.IGNORECASE)
WORD = re.compile(r"\w+")


def normal_form(text: str) -> str:
    """Returns what is equal for a text and a copy of it: its words, without case, marks and links."""
    plain = html.unescape(text) if "&" in text else text
    plain = (plain if plain.isascii() else unicodedata.normalize("NFKC", plain)).casefold()
    without = LINK.sub(" ", plain) if "http" in plain or "www." in plain else plain
    return " ".join(WORD.findall(without)) or " ".join(plain.split())
