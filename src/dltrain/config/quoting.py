"""Quotes overrides as a user types them for Hydra's grammar: other scripts, brackets, `=` and `~` in values.

Hydra cannot read `data.target=成绩`, `data.path=a(1).csv` or `data.target=Price ($)`. What it cannot read is quoted,
item by item in lists and sweeps; what it can read stays as it is.
"""

from __future__ import annotations

import re
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

_PATH_KEY = re.compile(r"(\.|_|^)(path|root|dir|from|weights)$")
_COLUMN_KEY = re.compile(r"data\.(target|drop|group|time|text|user|item)")
_OPENING, _CLOSING = "([{", ")]}"


def quote(override: str) -> str:
    """Returns the override, with its value quoted if Hydra could not read it or would read something else.

    A value that begins with `~/` is expanded, and an existing path is one value even if it contains a comma.
    """
    key, separator, value = override.partition("=")
    if not separator or not re.fullmatch(r"(\+\+|\+|~)?[\w@./$:-]+", key) or value == "":
        return override
    if value == "~" or value.startswith("~/"):
        value = str(Path(value).expanduser())
    if is_path_key(key) and "," in value and Path(value).exists():
        return f"{key}={quoted(value)}"
    if _COLUMN_KEY.fullmatch(key.lstrip("+")) and re.search(r"(^|[\[,\s])[\d.]+($|[\],\s])", value):
        return f"{key}={_quote_numbers(value)}"  # 2024 is the name of a column here, and 007 keeps its zeros
    if is_readable(f"{key}={value}"):
        return f"{key}={value}"
    return f"{key}={_quote_items(key, value)}"


def quoted(value: str) -> str:
    """Returns the value as a quoted string of Hydra's grammar, without interpolation."""
    # A backslash is special only before a quote and before an interpolation.
    escaped = re.sub(r"(\\*)'", lambda match: match[1] * 2 + r"\'", value)
    escaped = re.sub(r"(\\+)$", lambda match: match[1] * 2, escaped)
    return "'" + escaped + "'"


def is_path_key(key: str) -> bool:
    """Tells whether the value of this key is the path of a file or a folder."""
    return bool(_PATH_KEY.search(key))


def is_readable(override: str) -> bool:
    """Tells whether Hydra's grammar accepts the override as it is."""
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return False
    return True


def split_top_level(text: str) -> list[str]:
    """Returns the parts of a text between the commas outside brackets and quotes."""
    parts, depth, start, quote_mark = [], 0, 0, ""
    for index, letter in enumerate(text):
        if quote_mark:
            quote_mark = "" if letter == quote_mark and text[index - 1] != "\\" else quote_mark
        elif letter in "'\"":
            quote_mark = letter
        elif letter in _OPENING:
            depth += 1
        elif letter in _CLOSING:
            depth = max(0, depth - 1)
        elif letter == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def _quote_numbers(value: str) -> str:
    """Returns the value, or each item of a list or a sweep, quoted if it is a number."""
    if value.startswith("[") and value.endswith("]"):
        return "[" + ",".join(_quote_numbers(item.strip()) for item in split_top_level(value[1:-1])) + "]"
    items = split_top_level(value)
    if len(items) > 1:
        return ",".join(_quote_numbers(item) for item in items)
    return quoted(value) if re.fullmatch(r"[\d.]+", value) or not is_readable(f"key=[{value}]") else value


def _quote_items(key: str, value: str) -> str:
    if value.startswith("[") and value.endswith("]"):
        items = split_top_level(value[1:-1])
        return "[" + ",".join(_quote_item(item) for item in items) + "]"
    items = split_top_level(value)
    if len(items) > 1 and all(item.strip() for item in items):
        return ",".join(_quote_item(item) for item in items)
    return quoted(value)


def _quote_item(item: str) -> str:
    stripped = item.strip()
    if stripped.startswith("[") and stripped.endswith("]"):
        return _quote_items("", stripped)
    return item if is_readable(f"key=[{item}]") else quoted(stripped)
