"""Cleans texts of what is no word but a trace of their origin: HTML, printed bytes, a wrong encoding, hidden marks."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dltrain.data.cells import shorten

Clean = Literal["auto", "none"]

SAMPLE = 20_000  # texts by which it is judged what they hold
SHOWN = 24  # characters of a text in a note
FEW, MOST = 0.01, 0.8  # share of the texts from which on a rule is used
ENTITY = re.compile(r"&(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,31}\d{0,2});")
DROPPED = re.compile(r"<!--.*?-->|<(script|style)\b[^<>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
TAG = re.compile(
    r"</?(?:a|abbr|article|aside|b|big|blockquote|body|br|center|cite|code|dd|del|div|dl|dt|em|figure|font|footer|form|"
    r"h[1-6]|head|header|hr|html|i|iframe|img|input|ins|kbd|label|li|link|main|mark|meta|nav|ol|option|p|pre|q|s|"
    r"section|small|span|strike|strong|sub|sup|table|tbody|td|tfoot|th|thead|time|title|tr|tt|u|ul|video|wbr)"
    r"(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
BYTES = re.compile(r"""b(['"]).*\1""", re.DOTALL)
LIST = re.compile(r"""\[\s*(['"]).*['"]\s*\]""", re.DOTALL)
BARRED = re.compile(r"[^\s|]+(\|[^\s|]+){2,}")
# Marks without width: breaks, joiners of words, byte order marks, soft hyphens, and those of direction.
HIDDEN = re.compile("[\u200b\u2060\ufeff\u00ad\u200e\u200f\u202a-\u202e]")
# The characters of Windows-1252 for the bytes of a character of several bytes in UTF-8; five bytes have none there.
LATER = "\u0081\u008d\u008f\u0090\u009d\u00a0-\u00bf" + bytes(
    byte for byte in range(0x80, 0xA0) if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
).decode("cp1252")
TWICE = re.compile(f"[\u00c2-\u00df][{LATER}]|[\u00e0-\u00ef][{LATER}]{{2}}|[\u00f0-\u00f4][{LATER}]{{3}}")


@dataclass(frozen=True)
class Rule:
    """A way in which texts are cleaned.

    Args:
        clean: returns the cleaned text, and a text that needs nothing as it is.
        least: the share of the texts that it has to change to be used.
        words: what the texts hold, and how they are read then.
    """

    clean: Callable[[str], str]
    least: float
    words: str


def without_html(text: str) -> str:
    """Returns a text with the characters of its entities, and a blank for each tag; other angles stay."""
    for _ in range(2):  # what was escaped twice
        if "&" not in text:
            break
        text = ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
    return TAG.sub(" ", DROPPED.sub(" ", text)) if "<" in text else text


def without_quotes(text: str) -> str:
    r"""Returns what Python writes as `b'caf\xc3\xa9'`, the printed form of bytes, as their text."""
    if not BYTES.fullmatch(text.strip()):
        return text
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else text


def join_listed(text: str) -> str:
    """Returns the words in a list, `['a', 'b']` or `a|b|c`, with blanks between them."""
    stripped = text.strip()
    if BARRED.fullmatch(stripped):
        return stripped.replace("|", " ")
    if not LIST.fullmatch(stripped):
        return text
    try:
        words = ast.literal_eval(stripped)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return " ".join(words) if all(isinstance(word, str) for word in words) else text


def decode_again(text: str) -> str:
    """Returns a text in which UTF-8 was read as Windows-1252, such as `cafÃ©`, as it was written."""
    return text if text.isascii() else TWICE.sub(_decoded, text)


def _decoded(found: re.Match[str]) -> str:
    content = b"".join(
        character.encode("latin-1") if character < "\u0100" else character.encode("cp1252")
        for character in found.group()
    )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return found.group()


def without_hidden(text: str) -> str:
    """Returns a text without marks that have no width, which would divide words."""
    return text if text.isascii() else HIDDEN.sub("", text)


# By the names that facts.json holds, in the order in which they are used.
RULES: Mapping[str, Rule] = {
    "bytes": Rule(without_quotes, MOST, "are bytes as Python prints them: read as text"),
    "lists": Rule(join_listed, MOST, "are lists of words: joined by blanks"),
    "encoding": Rule(decode_again, FEW, "hold UTF-8 that was read as Windows-1252: decoded again"),
    "html": Rule(without_html, FEW, "hold HTML: entities are read as their characters, and tags are left out"),
    "hidden": Rule(without_hidden, FEW, "hold marks without width: left out"),
}


def find_rules(texts: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Returns the names of the rules that texts need, and a note about each."""
    step = max(1, len(texts) // SAMPLE)
    sample = list(texts[::step])
    names, notes = [], []
    for name, rule in RULES.items():
        cleaned = [rule.clean(text) for text in sample]
        changed = [row for row, text in enumerate(sample) if cleaned[row] != text]
        if not changed or len(changed) < rule.least * len(sample):
            continue
        names.append(name)
        share = f"{max(1, round(100 * len(changed) / len(sample)))} % of the texts {rule.words}"
        notes.append(
            f"{share}, such as {shorten(_place(sample[changed[0]], cleaned[changed[0]]), SHOWN)} (data.clean=none)"
        )
        sample = cleaned
    return tuple(names), notes


def _place(text: str, cleaned: str) -> str:
    """Returns a text from a little before the first place where it was cleaned."""
    first = next(
        (at for at, pair in enumerate(zip(text, cleaned, strict=False)) if pair[0] != pair[1]),
        min(len(text), len(cleaned)),
    )
    return text[max(0, first - 12) :].strip()


def clean_texts(texts: Iterable[str], rules: Collection[str]) -> list[str]:
    """Returns texts cleaned by the rules of these names, in the order of `RULES`."""
    cleaned = list(texts)
    for name, rule in RULES.items():
        if name in rules:
            cleaned = [rule.clean(text) for text in cleaned]
    return cleaned
