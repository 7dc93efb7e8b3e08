"""Hydra's own output about a config, without a run: `--cfg`, `--info`, `--hydra-help` and Tab completion."""

from __future__ import annotations

import io
from argparse import Namespace
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path

from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser
from hydra.plugins.completion_plugin import DefaultCompletionPlugin
from omegaconf import Container, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dltrain.config.compose import compose_raw
from dltrain.config.loader import CONFIG_NAME, Loader, hydra_config, own_hydra, search_path_of
from dltrain.config.validation import nearest, spelled
from dltrain.errors import ConfigError

_ABSENT = object()


def show(flags: Namespace, overrides: Sequence[str]) -> int:
    """Prints what the flags ask for, and returns 0.

    Raises:
        ExceptionGroup, ConfigError: the config cannot be composed, or has no such section.
    """
    if flags.multirun:
        raise ConfigError("a sweep has no config of its own to print", fix="leave -m out")
    composed = compose_raw(overrides, flags.config_dir)
    if flags.cfg:
        _print(composed, flags)
        return 0
    hydra = _hydra(flags.config_dir)
    with own_hydra():
        if flags.info:
            hydra.show_info(flags.info, CONFIG_NAME, list(overrides))
        else:
            hydra.hydra_help(CONFIG_NAME, get_args_parser(), Namespace(overrides=list(overrides)))
    return 0


def complete(overrides: Sequence[str]) -> int:
    """Prints the script that installs Tab completion in a shell, or the script that uninstalls it.

    Args:
        overrides: `install=bash`, `uninstall=bash`, or the same with another shell that Hydra supports.

    Raises:
        ConfigError: there is no such script.
    """
    try:
        with own_hydra():
            _hydra(None).shell_completion(CONFIG_NAME, list(overrides))
    except ValueError as error:
        raise ConfigError(
            " ".join(str(error).split()), where="-sc", fix="give install=bash or uninstall=bash"
        ) from error
    return 0


def suggest(line: str) -> list[str]:
    """Returns Hydra's completions of the last word of a line: groups, options, keys and values."""
    with own_hydra(), redirect_stderr(io.StringIO()):
        loader = Loader(search_path_of(None))
        completions = DefaultCompletionPlugin(loader)._query(CONFIG_NAME, line)
    return [text for text in completions if not text.startswith("hydra") or line.rpartition(" ")[2].startswith("h")]


def _hydra(folder: str | None) -> Hydra:
    """Returns Hydra with dltrain's loader, without changing Hydra's global state."""
    named = Path(folder).absolute() if folder else None
    with own_hydra():
        return Hydra(task_name=CONFIG_NAME, config_loader=Loader(search_path_of(named)))


def _print(composed: DictConfig, flags: Namespace) -> None:
    hydra = _hydra(flags.config_dir)
    with own_hydra(), hydra_config(composed):
        config = hydra.get_sanitized_cfg(composed, flags.cfg)
        section = None if flags.package in (None, "_global_") else flags.package
        node = config if section is None else OmegaConf.select(config, section, default=_ABSENT)
        if node is _ABSENT:
            near = nearest(str(section), [str(name) for name in config])
            fix = f"did you mean {near}?" if near else "see dltrain --cfg job"
            raise ConfigError("there is no such section", where=str(section), fix=fix)
        if not isinstance(node, Container):
            print(node if isinstance(node, str) else spelled(node))
            return
        if section is not None:
            print(f"# @package {section}")
        try:
            if flags.resolve:
                OmegaConf.resolve(node)
        except OmegaConfBaseException as error:
            where = str(getattr(error, "full_key", "") or "the config")
            raise ConfigError(str(error).splitlines()[0], where=where, fix="check the reference in ${...}") from None
        print(OmegaConf.to_yaml(node), end="")
