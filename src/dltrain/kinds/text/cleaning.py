"""Cleans texts of what is no word but a trace of their origin: HTML, printed bytes, a wrong encoding, hidden marks."""

from __future__ import annotations

import ast
import codecs
import html
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html.entities import name2codepoint
from typing import Any, Literal

from dltrain.data.cells import shorten

Clean = Literal["auto", "none"]

SAMPLE = 20_000  # texts by which it is judged what they hold
SHOWN = 24  # characters of a text in a note
FEW, MOST = 0.01, 0.8  # share of the texts from which on a rule is used
MOST_EMPTIED = 0.01  # share of the texts that HTML may leave nothing of
# Those of names that also mean something in code or mathematics, such as `&sum;`, stay.
NAMES = {"apos", "AMP", "LT", "GT", "QUOT"} | {
    name for name, code in name2codepoint.items() if code < 0x180 or 0x2000 <= code < 0x2070 or code in (0x20AC, 0x2122)
}
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|(?P<name>[a-zA-Z]{2,31}\d{0,2}));")
BEGUN = re.compile(r"<!--|<(?P<name>script|style)(?:\s[^<>]*)?>", re.IGNORECASE)  # of parts that are not shown
ENDED = {"": re.compile("-->")} | {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in ("script", "style")}
LONG_NAMES = (
    "abbr|article|aside|big|blockquote|body|br|center|cite|code|dd|del|div|dl|dt|em|figure|font|footer|form|h[1-6]|"
    "head|header|hr|html|iframe|img|input|ins|kbd|label|li|link|main|mark|meta|nav|ol|option|pre|section|small|span|"
    "strike|strong|sub|sup|table|tbody|td|tfoot|th|thead|time|title|tr|tt|ul|video|wbr"
)
NAME = f"(?:{LONG_NAMES}|{LONG_NAMES.upper()}|[abipqsu])"  # `List<Label>` is none
BARE = "allowfullscreen|async|autoplay|checked|controls|defer|disabled|hidden|loop|muted|noshade|nowrap|selected"
ATTRIBUTES = rf"""(?:\s+(?:[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+)|(?i:{BARE})))+"""
# A single letter without attributes is a tag only if it ends somewhere (`_without_tags`).
TAG = re.compile(
    rf"</{NAME}\s*>|<{NAME}{ATTRIBUTES}\s*/?>|<(?:{LONG_NAMES}|{LONG_NAMES.upper()}|(?P<letter>[abipqsu]))\s*/?>"
)
WHOLE = re.compile(rf"<(?:{LONG_NAMES}|[abipqsu])\b.*(?:</[a-z0-9]+\s*>|<[bh]r\s*/?>|/>)", re.DOTALL | re.IGNORECASE)
BYTES = re.compile(r"""b(['"]).*\1""", re.DOTALL)
LIST = re.compile(r"""\[\s*(['"]).*['"]\s*\]""", re.DOTALL)
BARRED = re.compile(r"[^\s|]+(\|[^\s|]+){2,}")
# Marks without width: breaks, joiners of words, byte order marks, soft hyphens, and those of direction.
HIDDEN = re.compile("[\u200b\u2060\ufeff\u00ad\u200e\u200f\u202a-\u202e]")
# Thai, Lao, Myanmar and Khmer, which are written without blanks: a break without width divides words.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f"
BREAK = re.compile(f"(?<=[{UNSPACED}])\u200b+(?=[{UNSPACED}\\w])|(?<=\\w)\u200b+(?=[{UNSPACED}])")
# The characters of Windows-1252 for the bytes of a character of several bytes in UTF-8; five bytes have none there.
UNDEFINED = "\u0081\u008d\u008f\u0090\u009d"
LATER = (
    UNDEFINED
    + "\u00a0-\u00bf"
    + bytes(byte for byte in range(0x80, 0xA0) if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)).decode("cp1252")
)
CHARACTER = f"[\u00c2-\u00df][{LATER}]|[\u00e0-\u00ef][{LATER}]{{2}}|[\u00f0-\u00f4][{LATER}]{{3}}"
TWICE = re.compile(f"(?:{CHARACTER})+")
# What also occurs in correct texts, such as `CAFÉ”`, `MENÜ»` and `NESTLÉ®`: a letter before a sign.
SIGNS = "«»‘’‚“”„‹›–—…•·¡¿†‡"
CORRECT = re.compile(
    f"[\u00c2-\u00df][{SIGNS}]|[\u00c4-\u00df][\u00a0\u00ad©®™°€£]|[\u00e0-\u00ef][{SIGNS}\u00a0]{{2}}"
)


@dataclass(frozen=True)
class Rule:
    """A way in which texts are cleaned.

    Args:
        clean: returns the cleaned text, and a text that needs nothing as it is.
        least: the share of the texts that it has to change to be used.
        words: what the texts hold, and how they are read then.
        emptied: the share of the texts of which it may leave nothing; it is not used if there are more.
    """

    clean: Callable[[str], str]
    least: float
    words: str
    emptied: float = 1.0


def without_html(text: str) -> str:
    """Returns a text with a blank for each tag and the characters of its entities; other angles stay.

    Tags that are written with entities are words about tags, unless the whole text is HTML that was escaped.
    """
    bare = _without_tags(text) if "<" in text else text
    if "&" not in bare:
        return bare
    decoded = _decode_entities(_decode_entities(bare))  # some are escaped twice
    return _without_tags(decoded) if bare == text and WHOLE.fullmatch(decoded.strip()) else decoded


def _decode_entities(text: str) -> str:
    return ENTITY.sub(
        lambda entity: html.unescape(entity.group()) if (entity["name"] or "amp") in NAMES else entity.group(), text
    )


def _without_tags(text: str) -> str:
    shown = _without_unshown(text)
    ended = {None, "p", *(letter for letter in "abiqsu" if f"</{letter}>" in shown)}
    return TAG.sub(lambda tag: " " if tag["letter"] in ended else tag.group(), shown)


def _without_unshown(text: str) -> str:
    """Returns a text with a blank for each comment, script and style; one without an end stays."""
    parts, start, at, endless = [], 0, 0, set()
    while begun := BEGUN.search(text, at):
        name, at = (begun["name"] or "").lower(), begun.end()
        ended = None if name in endless else ENDED[name].search(text, at)
        if ended is None:
            endless.add(name)
        else:
            parts.append(text[start : begun.start()])
            start = at = ended.end()
    return " ".join((*parts, text[start:]))


def without_quotes(text: str) -> str:
    r"""Returns what Python writes as `b'caf\xc3\xa9'`, the printed form of bytes, as their text."""
    if not BYTES.fullmatch(text.strip()):
        return text
    value = _literal(text.strip())
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else text


def join_listed(text: str) -> str:
    """Returns the words in a list, `['a', 'b']` or `a|b|c`, with blanks between them."""
    stripped = text.strip()
    if BARRED.fullmatch(stripped):
        return stripped.replace("|", " ")
    if not LIST.fullmatch(stripped):
        return text
    words = _literal(stripped)
    is_list = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return " ".join(words) if is_list else text


def _literal(text: str) -> Any:
    """Returns the value of a literal of Python, None if the text is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about `\d` and the like
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def decode_again(text: str) -> str:
    """Returns a text in which UTF-8 was read as Windows-1252, such as `cafÃ©`, as it was written.

    A text of which a part does not decode was read correctly.
    """
    if text.isascii() or all(CORRECT.fullmatch(found) for found in TWICE.findall(text)):
        return text
    try:
        return text.encode("cp1252", "bytes_undefined").decode("utf-8")
    except UnicodeError:
        return text


def _byte_undefined(error: UnicodeError) -> tuple[bytes, int]:
    if isinstance(error, UnicodeEncodeError) and error.object[error.start] in UNDEFINED:
        return error.object[error.start].encode("latin-1"), error.start + 1
    raise error


codecs.register_error("bytes_undefined", _byte_undefined)


def without_hidden(text: str) -> str:
    """Returns a text without marks that have no width, and with blanks where they divide words, as in Thai."""
    return text if text.isascii() else HIDDEN.sub("", BREAK.sub(" ", text))


# By the names that facts.json holds, in the order in which they are used.
RULES: Mapping[str, Rule] = {
    "bytes": Rule(without_quotes, MOST, "are bytes as Python prints them: read as text"),
    "lists": Rule(join_listed, MOST, "are lists of words: joined by blanks"),
    "encoding": Rule(decode_again, FEW, "hold UTF-8 that was read as Windows-1252: decoded again"),
    "html": Rule(
        without_html, FEW, "hold HTML: entities are read as their characters, and tags are left out", MOST_EMPTIED
    ),
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
        emptied = [row for row in changed if sample[row].strip() and not cleaned[row].strip()]
        if len(emptied) > rule.emptied * len(sample):
            notes.append(
                f"texts are not cleaned of {name}, which would leave nothing of {_percent(emptied, sample)} of them, "
                f"such as {shorten(sample[emptied[0]].strip(), SHOWN)}"
            )
            continue
        names.append(name)
        share = f"{_percent(changed, sample)} of the texts {rule.words}"
        notes.append(
            f"{share}, such as {shorten(_place(sample[changed[0]], cleaned[changed[0]]), SHOWN)} (data.clean=none)"
        )
        sample = cleaned
    return tuple(names), notes


def _percent(rows: Sequence[int], sample: Sequence[str]) -> str:
    return f"{max(1, round(100 * len(rows) / len(sample)))} %"


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
