"""`dltrain resume RUN [overrides]`: continue a run in its own folder, from its newest sound checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from dltrain.commands import Options
from dltrain.commands.train import tell_outcome
from dltrain.errors import ConfigError
from dltrain.overrides import quote
from dltrain.resuming import apply, check_same_run, check_trust, read_config, resolved
from dltrain.rundir import RunDir, locked, refuse_links
from dltrain.signals import Stopped


def run(arguments: Sequence[str], options: Options) -> int:
    """Trains on, with other values where overrides give them.

    Raises:
        DltrainError, ExceptionGroup: the folder cannot be gone on with; nothing in it was changed.
    """
    began = perf_counter()
    folder, overrides, trusted, force = parse(arguments)
    run_dir = RunDir(folder)
    with locked(run_dir.path):
        refuse_links(run_dir.path)
        before = read_config(run_dir)
        after = before.copy()
        apply([quote(override) for override in overrides], after)
        config = resolved(after)
        check_trust(config, trusted)
        if not force:
            check_same_run(before, after)
        from dltrain.console import configure_logging
        from dltrain.job import resume_job

        configure_logging(console=not (options.quiet or options.json))
        try:
            resume_job(run_dir, after, config, began, force=force)
        except Stopped as stopped:
            return tell_outcome(run_dir, options) or stopped.exit_code
        return tell_outcome(run_dir, options)


def parse(arguments: Sequence[str]) -> tuple[str, list[str], list[str], bool]:
    """The run's folder, the overrides, the modules that are trusted, and whether it is forced.

    Raises:
        ConfigError: no folder or several are named, or there is no such flag.
    """
    words, force = list(arguments), False
    folders: list[str] = []
    overrides: list[str] = []
    trusted: list[str] = []
    while words:
        word = words.pop(0)
        if word == "--force":
            force = True
        elif word == "--trust" and words:
            trusted.append(words.pop(0))
        elif word.startswith("-"):
            raise ConfigError(f"there is no flag {word} here", fix="--force, or --trust MODULE")
        elif folders and "=" in word:
            overrides.append(word)
        else:
            folders.append(word)
    if len(folders) != 1:
        what = "no run is named" if not folders else f"{folders[1]} is no key=value"
        raise ConfigError(what, fix="dltrain resume outputs/... trainer.epochs=200")
    return folders[0], overrides, trusted, force
