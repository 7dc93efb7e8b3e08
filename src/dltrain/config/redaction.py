"""Removes secrets from everything that is written: the values of keys such as `api_token` and `password`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

REDACTED = "<redacted>"
SECRET = re.compile(
    r"token|secret|password|passwd|passphrase|pwd|bearer|credential|authorization|(api|auth|private|access|ssh)[_-]?key",
    re.IGNORECASE,
)
HARMLESS = re.compile(r"tokeni[sz]\w*|(?<![a-z0-9_])((max|min|num|n)_)?tokens\w*", re.IGNORECASE)
ASSIGNED = re.compile(r"""([\w.@/-]+)["']?\s*[=:]\s*""")  # a key in an override, or in a mapping in an override
IN_ADDRESS = re.compile(r"(?<=://)([^/:@\s]*):([^/@\s]+)(?=@)")  # user and password in a URL
SHORTEST = 4  # characters of a secret that is searched for by its value


@lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    """Tells whether a config key names a secret: `api_token`, but neither `tokens` nor `tokenizer`."""
    return SECRET.search(HARMLESS.sub("", key)) is not None


def redacted(value: Any, key: str = "") -> Any:
    """Returns the same nested value with the values of secret keys replaced, also in lists of overrides."""
    if isinstance(value, Mapping):
        return {name: redacted(item, key if is_secret(key) else str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item, key) for item in value]
    if value is not None and is_secret(key):
        return REDACTED
    return _without_assigned(value) if isinstance(value, str) else value


def secrets_of(value: Any, key: str = "") -> Iterator[str]:
    """Yields the values of secret keys in a nested value, except those too short to search for in other texts."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from secrets_of(item, key if is_secret(key) else str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secrets_of(item, key)
    elif is_secret(key) and value is not None and len(str(value)) >= SHORTEST:
        yield str(value)
    elif isinstance(value, str):
        yield from (found[2] for found in IN_ADDRESS.finditer(value) if len(found[2]) >= SHORTEST)


def without(secrets: Sequence[str], text: str) -> str:
    """Returns a text, such as an error message, with the secrets replaced."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text


def _without_assigned(text: str) -> str:
    """Returns overrides such as `+model.api_token=abc` or `+logger={api_key:abc}`, cut after the first secret key, and
    without passwords in URLs."""
    if "=" not in text and ":" not in text:
        return text
    text = IN_ADDRESS.sub(rf"\1:{REDACTED}", text)
    for assigned in ASSIGNED.finditer(text):
        if is_secret(assigned[1]):
            return text[: assigned.end()] + REDACTED
    return text
