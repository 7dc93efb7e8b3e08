"""Splits texts such as "-$1,234.5k" into the digits of a number and what stands around them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FEW = 100
PLAIN = r"^-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"  # what needs no splitting
SPLIT = (  # the digit of m2 belongs to the unit, that of [1] to a footnote; 4/5 is 4, in fifths
    r"^(?P<head>[^0-9]*)(?P<body>[0-9](?:[0-9.,' ]*[0-9])?(?:[eE][+-]?[0-9]+)?)"
    r"(?P<tail>(?: ?/ ?| (?:out )?of )[1-9][0-9]{0,2}(?: ?[a-zA-Z]+)?"
    r"|[^0-9]*(?:(?:m|ft|in|yd|mi)[23][^0-9]*)?(?:\[[0-9]{1,2}\])?)$"
)
OUT_OF = re.compile(r"(?:/|out\s?of|of) ?[1-9]\d{0,2}(?: ?[^\W\d]+)?")  # 4/5, 4.1 out of 5 stars
AS_TEXT = r"""^(?:="([^"]*)"|'([+-]?[0-9].*))$"""  # ="12" and '12, of a spreadsheet
ZERO = r"^(?:([$€£¥]) *-|- *([$€£¥]))$"  # as a spreadsheet writes 0 in its format for accounts
FOOTNOTE = re.compile(r"\s?(?:[*†‡§]{1,3}|\[[0-9a-z]{1,2}\])$")
ABOUT = r"~|≈|∼|≃|(?:ca|circa|approx|about|around)\b\.?|约|約|大约"
HEAD = re.compile(
    rf"(?P<about>(?:{ABOUT})\s*)?(?P<sign>[+-])?\s*(?P<bracket>\()?\s*(?P<unit>.*?)\s*"
    rf"(?P<inner_bracket>\()?(?P<inner_sign>[+-])?\s*(?P<inner_about>{ABOUT})?",
    re.IGNORECASE,
)
TAIL = re.compile(
    r"(?P<inner_bracket>\))?(?P<whole>[.,:]-{1,2})?"  # 50.- francs and 50:- crowns are whole
    r"(?P<plus>\+)?(?P<unit>.*?)(?P<late_plus>\s?\+)?(?P<bracket>\))?(?P<minus>\s?-)?"
)

# Powers of ten. A multiplier is certain, or counts only beside a certain one: "300 K" may be degrees, and "5 m" metres.
CERTAIN = {
    "k": 3, "thousand": 3, "tsd": 3, "тыс": 3, "mio": 6, "million": 6, "millions": 6, "млн": 6,
    "mrd": 9, "billion": 9, "billions": 9, "млрд": 9, "lac": 5, "lacs": 5, "lakh": 5, "lakhs": 5,
    "crore": 7, "crores": 7, "千": 3,
}  # fmt: skip
CERTAIN_ATTACHED = {"K": 3, "M": 6}
UNCERTAIN = {"K": 3, "M": 6, "m": 6, "mn": 6, "B": 9, "b": 9, "bn": 9, "G": 9, "Cr": 7, "cr": 7}
BEFORE_ANY_UNIT = {"万": 4, "萬": 4, "만": 4, "亿": 8, "億": 8, "억": 8}  # as in 3万元; but 千克 is a kilogram
MULTIPLIER = re.compile(r"([^\W\d_]+)\.?(?![²³0-9])\s*(.*)", re.DOTALL)

CURRENCIES = frozenset(
    word
    for words in (
        "usd eur gbp jpy cny rmb chf cad aud nzd sek nok dkk pln czk huf ron bgn rub uah try ils inr pkr bdt lkr idr",
        "myr thb vnd php sgd hkd twd krw brl mxn ars clp cop pen zar ngn kes egp mad aed sar qar btc eth",
        "kr zł kč ft lei rs re rp rm fr sfr dm din ksh s/ 元 円 원 руб лв",
    )
    for word in words.split()
)
UNIT_SIGNS = frozenset("%‰°\"″′'²³")
NO_UNIT = re.compile(r"[<>=|;:~*?!&\\#@_()\[\]{}]")


@dataclass(frozen=True)
class Surroundings:
    """What stands around the digits of a number.

    Args:
        unit: the text of the unit, before or after the number.
        sign: 1 or -1; brackets are a minus sign.
        power: of ten, of the multiplier; 0 without.
        brackets: whether the sign is written by brackets.
        about: whether a text such as ~ or + makes it an approximation.
        mark: a decimal mark that stands before the first digit, as in ".5".
        footnote: whether a mark such as * or [1] refers to a footnote.
    """

    unit: str = ""
    sign: int = 1
    power: int = 0
    brackets: bool = False
    about: bool = False
    mark: str = ""
    footnote: bool = False


@dataclass(frozen=True)
class SplitTexts:
    """Texts split into digits and surroundings.

    Args:
        bodies: `(N,)` digits with their marks, and perhaps an exponent or a minus sign; null where a text is certainly
            no number.
        codes: `(N,)` index into `pairs`.
        pairs: the different heads and tails.
        numbers: `(N,)` if every text is a number as computers write them, which may be like 1.234; else `None`.
    """

    bodies: pa.Array
    codes: NDArray[np.int64]
    pairs: tuple[tuple[str, str], ...]
    numbers: NDArray[np.float64] | None = None

    def surroundings(self, uncertain_multipliers: bool) -> tuple[Surroundings | None, ...]:
        """Returns what each pair means; `None` where it makes the text no number."""
        return tuple(read_surroundings(head, tail, uncertain_multipliers) for head, tail in self.pairs)


def split_texts(texts: Sequence[str]) -> SplitTexts:
    """Splits texts that need not be numbers; spaces, apostrophes, minus signs and other digits become ASCII."""
    column = to_ascii(pa.array(texts, pa.string()))
    codes = np.zeros(len(column), dtype=np.int64)
    try:
        pc.cast(column[:FEW], pa.float64())  # to fail early
        numbers = pc.cast(column, pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        pass
    else:
        if np.all(np.isfinite(numbers)):  # nan and inf are words
            return SplitTexts(column, codes, (("", ""),), numbers)
    plain = pc.match_substring_regex(column, PLAIN)
    rest = column.filter(pc.invert(plain))
    parts = pc.extract_regex(rest, SPLIT)
    head, tail = (parts.field(name).fill_null("").dictionary_encode() for name in ("head", "tail"))
    width = max(len(tail.dictionary), 1)
    pair_of = head.indices.to_numpy().astype(np.int64) * width + tail.indices.to_numpy()
    distinct, of_rest = np.unique(pair_of, return_inverse=True)
    heads, tails = head.dictionary.to_pylist(), tail.dictionary.to_pylist()
    pairs = (("", ""), *((heads[pair // width], tails[pair % width]) for pair in distinct))
    codes[~plain.to_numpy(zero_copy_only=False)] = of_rest + 1
    bodies = pc.replace_with_mask(column, pc.invert(plain), pc.if_else(parts.is_valid(), parts.field("body"), None))
    return SplitTexts(bodies, codes, pairs)


def to_ascii(column: pa.Array) -> pa.Array:
    """Returns texts without blanks around them, and without the marks of cells that a spreadsheet wrote as texts; their
    spaces, apostrophes, minus signs, full-width marks and digits of all scripts are written as in ASCII."""
    if not pc.all(pc.string_is_ascii(column)).as_py():
        for character in set("".join(column.to_pylist())):
            if not character.isascii() and (spelling := _ascii(character)):
                column = pc.replace_substring(column, character, spelling)
    column = pc.utf8_trim_whitespace(column)
    if pc.any(pc.match_substring_regex(column, AS_TEXT)).as_py():
        column = pc.replace_substring_regex(column, AS_TEXT, r"\1\2")
    if pc.any(pc.match_substring_regex(column, ZERO)).as_py():
        column = pc.replace_substring_regex(column, ZERO, r"\1\2 0")
    return column


def _ascii(character: str) -> str:
    """Returns how a character is written in ASCII; empty if it has no such spelling or needs none."""
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if unicodedata.category(character) == "Zs":
        return " "
    if character in "−–‒‐‑﹣":
        return "-"
    if character in "’‘ʼ´":
        return "'"
    if character in "٫٬":
        return "." if character == "٫" else ","
    return unicodedata.normalize("NFKC", character) if "\uff00" < character < "\uffef" else ""


def read_surroundings(head: str, tail: str, uncertain_multipliers: bool = False) -> Surroundings | None:
    """Returns what the texts before and after the digits mean; `None` if they are no part of a number.

    Args:
        uncertain_multipliers: whether `UNCERTAIN` letters are multipliers; they may also be units.
    """
    if not head and not tail:
        return Surroundings()
    mark = ""
    if head.endswith((".", ",")) and not head[-2:-1].isalpha():
        head, mark = head[:-1], head[-1]
    text_after = FOOTNOTE.sub("", tail.rstrip())
    before, after = HEAD.fullmatch(head.strip()), TAIL.fullmatch(text_after)
    if before is None or after is None:
        return None
    unit_after, closed = after["unit"], after["bracket"] or after["inner_bracket"]
    if "(" in unit_after and after["bracket"]:  # 120 (kg)
        unit_after, closed = unit_after + ")", after["inner_bracket"]
    opened = before["bracket"] or before["inner_bracket"]
    signs = [sign for sign in (before["sign"], before["inner_sign"], after["minus"]) if sign]
    if bool(opened) != bool(closed) or len(signs) + bool(opened) > 1:
        return None
    power, unit_after = _multiplier(unit_after, uncertain_multipliers)
    units = [before["unit"].strip(), unit_after.strip()]
    if (units[0] and not _is_currency(units[0])) or not _is_unit(units[1]):
        return None
    return Surroundings(
        unit=" ".join(filter(None, units)),
        sign=-1 if opened or (signs and "-" in signs[0]) else 1,
        power=power,
        brackets=bool(opened),
        about=bool(before["about"] or before["inner_about"] or after["plus"] or after["late_plus"]),
        mark=mark,
        footnote=text_after != tail.rstrip(),
    )


def _multiplier(text: str, uncertain: bool) -> tuple[int, str]:
    """Returns the power of ten of the multiplier with which a text begins, 0 for none, and the rest of the text."""
    stripped = text.lstrip()
    if stripped[:1] in BEFORE_ANY_UNIT:
        return BEFORE_ANY_UNIT[stripped[:1]], stripped[1:]
    match = MULTIPLIER.fullmatch(stripped)
    if match is None:
        return 0, text
    word, rest = match.groups()
    power = CERTAIN.get(word if len(word) == 1 else word.casefold())
    if power is None and text == stripped:
        power = CERTAIN_ATTACHED.get(word)
    if power is None and uncertain:
        power = UNCERTAIN.get(word)
    return (0, text) if power is None else (power, rest)


def unit_key(unit: str) -> str:
    """Returns the same text for spellings of one unit, such as month and Months; the case of short ones matters."""
    key = unicodedata.normalize("NFKC", unit.rstrip(".").replace(" ", ""))  # ㎡ and m² are m2
    if len(key) > 3:
        key = key.casefold()
    return key.removesuffix("s") if len(key) > 2 else key


def _is_currency(text: str) -> bool:
    return any(map(_is_currency_sign, text)) or text == "%" or text.rstrip(".").casefold() in CURRENCIES


def _is_unit(text: str) -> bool:
    if not text:
        return True
    if OUT_OF.fullmatch(text):
        return True
    letters = unicodedata.normalize("NFKC", text)  # ㎡ and ℃ are one character each, and no letters
    names = any(c.isalpha() or c in UNIT_SIGNS or _is_currency_sign(c) for c in letters)
    inner = text[1:-1] if text[0] == "(" and text[-1] == ")" else text
    return names and not NO_UNIT.search(inner)


def _is_currency_sign(character: str) -> bool:
    return unicodedata.category(character) == "Sc"
