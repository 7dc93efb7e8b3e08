"""Long names in plots: shortened so that they stay different, or wrapped over several lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dltrain.drawing.style import shorten, text_width

BREAKS = re.compile(r"[^\s_/\-,.;:|]*[\s_/\-,.;:|]*")  # a word with the spaces and signs after it


def shorten_apart(names: Sequence[str], width: int) -> list[str]:
    """Returns the names, each at most `width` Latin letters wide, or wider where two would look the same."""
    longest = max(map(text_width, names), default=0)
    short = [shorten(name, width) for name in names]
    while width < longest and len(set(short)) < len(set(names)):
        width += 4
        short = [shorten(name, width) for name in names]
    return short


def wrap(text: str, width: int, lines: int = 3) -> str:
    """Returns the text over lines of at most `width` Latin letters, broken after words; what needs more lines is
    shortened in its middle."""
    wrapped = _lines(text, width)
    room = width * lines
    while len(wrapped) > lines and room > 2:
        wrapped = _lines(shorten(text, room), width)
        room -= 2
    return "\n".join(wrapped[:lines])


def _lines(text: str, width: int) -> list[str]:
    words = BREAKS.findall(text)
    parts = [part for word in words for part in ([word] if text_width(word) <= width else word)]  # or by letters
    lines = [""]
    for part in parts:
        if lines[-1] and text_width((lines[-1] + part).rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return [line.strip() for line in lines]
