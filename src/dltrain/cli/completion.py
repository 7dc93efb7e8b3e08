"""Tab completion: commands, flags, keys, run folders and paths; Hydra completes groups and keys of a config."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from dltrain.cli.arguments import EVERYWHERE, Command, Flag
from dltrain.cli.commands import COMMANDS
from dltrain.config.options import groups, options

COMPOSING = ("train", "check", "find_lr")  # commands whose arguments Hydra completes
DEVICE = "trainer.device"
DEEPEST = 6  # levels below outputs/ that are searched for runs: multirun, date, time, job
MOST = 400  # run folders in one list of suggestions


def run(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Prints the suggestions for a shell, or the script that installs completion; on any failure, prints nothing.

    Args:
        words: `install=bash`, `uninstall=bash` or `query=bash`.
        environment: holds `COMP_LINE`, the line that is being typed, and `COMP_POINT`, the position of the cursor.

    Raises:
        ConfigError: there is no script for that shell.
    """
    shell = next((word.partition("=")[2] for word in words if word.startswith("query=")), "")
    if not shell:
        from dltrain.config.show import complete

        return complete(words)
    try:
        line = environment.get("COMP_LINE", "")
        line = line[: int(environment.get("COMP_POINT") or len(line))]
        completions = [text for text in suggestions(line) if not any(letter.isspace() for letter in text)]
        sys.stdout.write(("\n" if shell == "fish" else " ").join(completions) + "\n")
    except (Exception, SystemExit):  # a message would land in the line that the user is typing
        return 0
    return 0


def suggestions(line: str) -> list[str]:
    """Returns the possible completions of the last word of a line."""
    words = _arguments(line)
    *before, word = words
    name = before[0] if before else ""
    if not before and not word.startswith("-"):
        return sorted([command for command in COMMANDS if command.startswith(word)] + _overrides(words))
    command = COMMANDS.get(name, COMMANDS["train"])
    if flag := next((flag for flag in command.flags if flag.value and {*before[-1:]} & {*flag.names}), None):
        return _values_of(flag, word)
    if word.startswith("-"):
        return sorted(flag for flag in _flags(command) if flag.startswith(word))
    if command.name in COMPOSING:
        return _overrides([*before[name in COMMANDS :], word])
    if command.name == "help":
        return sorted(other for other in COMMANDS if other.startswith(word))
    if command.name == "list":
        return sorted(group for group in groups() if group.startswith(word))
    if "=" in word:
        key, _, value = word.partition("=")
        return [f"{key}={candidate}" for candidate in _devices(value) if key == DEVICE] or _paths_of(word)
    keys = [f"{key}=" for key in command.keys if len(before) > 1 and key.startswith(word)]
    return [*_run_folders(word), *sorted(keys), *_paths(word)]


def _arguments(line: str) -> list[str]:
    """Returns the words after `dltrain`; the last one is being typed, and is empty after a blank."""
    words = line.split()
    start = next((position for position, word in enumerate(words) if Path(word).name == "dltrain"), 0)
    words = words[start + 1 :]
    return [*words, ""] if not words or line[-1:].isspace() else words


def _flags(command: Command) -> Iterator[str]:
    for flag in (*command.flags, *EVERYWHERE):
        if flag.line:
            yield from (name for name in flag.names if name.startswith("--") or len(name) == 2)


def _values_of(flag: Flag, word: str) -> list[str]:
    """Returns the values of a flag that begin with a word: its choices, or files and folders if it takes those."""
    if flag.choices or flag.proposals:
        return [value for value in flag.choices or flag.proposals if value.startswith(word)]
    if flag.value == "FOLDER":
        return [path for path in _paths(word) if path.endswith("/")]
    return _paths(word) if flag.value in ("FILE", "PAGE") else []


def _devices(word: str) -> list[str]:
    return [device for device in ("auto", "cpu", "cuda", "mps") if device.startswith(word)]


def _paths_of(word: str) -> list[str]:
    """Returns the completions of the path in a word `key=path`."""
    key, _, path = word.partition("=")
    return [f"{key}={candidate}" for candidate in _paths(path)]


def _overrides(words: Sequence[str]) -> list[str]:
    """Returns the completions of the last word: a group or a section, or (from Hydra) an option or key."""
    word = words[-1]
    if "=" not in word and "." not in word:
        return sorted(f"{group}{sign}" for group in groups() for sign in "=." if group.startswith(word))
    key, _, value = word.partition("=")
    *several, last = value.split(",")
    if several and key in groups():
        others = [option for option in options(key) if option.startswith(last) and option not in several]
        return [f"{key}={','.join([*several, option])}" for option in others]
    if key == DEVICE and "=" in word:
        return [f"{key}={device}" for device in _devices(value)]
    from dltrain.config.quoting import is_path_key
    from dltrain.config.show import suggest

    if "=" in word and is_path_key(key):
        return _paths_of(word)

    return suggest(" ".join(words))


def _run_folders(word: str) -> list[str]:
    """Returns the run folders below outputs/ that begin with `word`, the newest dates first."""
    return [folder for folder in islice(_runs_below("outputs", 0, word), MOST) if folder.startswith(word)]


def _runs_below(folder: str, depth: int, word: str) -> Iterator[str]:
    try:
        entries = sorted((entry for entry in os.scandir(folder)), key=lambda entry: entry.name, reverse=True)
    except OSError:
        return
    if any(entry.name == "status.json" for entry in entries):
        yield folder
        return
    for entry in entries:
        path = f"{folder}/{entry.name}"
        leads_there = path.startswith(word) or word.startswith(f"{path}/")
        if depth < DEEPEST and leads_there and entry.is_dir(follow_symlinks=False):
            yield from _runs_below(path, depth + 1, word)


def _paths(word: str) -> list[str]:
    """Returns the files and folders that begin with `word`; a folder ends in a slash."""
    parent, _, name = word.rpartition("/")
    folder = Path(parent or ("/" if word.startswith("/") else ".")).expanduser()
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []
    lead = f"{parent}/" if "/" in word else ""
    matching = [entry for entry in entries if entry.name.startswith(name) and (name or not entry.name.startswith("."))]
    return [f"{lead}{entry.name}{'/' if entry.is_dir() else ''}" for entry in matching]
