"""What a run's config changes of the defaults for its data and its model."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from omegaconf.errors import OmegaConfBaseException

from dltrain.config.compose import compose_defaults
from dltrain.config.defaults import Defaults
from dltrain.config.loader import own_options
from dltrain.config.redaction import redacted
from dltrain.errors import DltrainError
from dltrain.runs.folder import RunDir, write_json

log = logging.getLogger("dltrain")


class Change(NamedTuple):
    """A key whose value is not the default; values are YAML, and what has no default is empty."""

    key: str
    default: str
    value: str


def save_changes(run: RunDir, defaults: Defaults | None = None) -> None:
    """Writes what the run's config, as it stands in its folder, changes of the defaults.

    Args:
        run: whose config is written.
        defaults: that it is compared with; none to compose them from the options that the run's folder names.
    """
    if not (run.hydra / "hydra.yaml").exists():
        return
    hydra = _read(run.hydra / "hydra.yaml")["hydra"]["runtime"]
    choices = own_options(hydra["choices"])
    more = [Path(source["path"]) for source in hydra["config_sources"] if source["provider"] == "command-line"]
    try:
        defaults = defaults or _composed(tuple(choices.items()), more[0] if more else None)
    except (DltrainError, ExceptionGroup, OmegaConfBaseException) as error:
        log.warning("what differs from the defaults cannot be told: %s", " ".join(str(error).split()))
        return
    changes = find_changes(_read(run.config), choices, defaults)
    # The folder's files hold no secrets; a default that is one is taken out here.
    said = [change._asdict() | {"default": redacted(change.default, change.key)} for change in changes]
    write_json(run.changes, {"changes": said})


def find_changes(config: Mapping[str, Any], choices: Mapping[str, str | None], defaults: Defaults) -> list[Change]:
    """Returns groups of which another option was picked, then keys that differ from their option's own value.

    Args:
        config: as it was composed, interpolations unresolved.
        choices: the option of each group.
        defaults: that they are compared with.
    """
    usual = defaults.options
    changed = [
        Change(group, _spelled(usual.get(group)), _spelled(option))
        for group, option in choices.items()
        if option != usual.get(group)
    ]
    before, after = dict(_leaves(defaults.values)), dict(_leaves(config))
    return changed + [
        Change(key, "" if before.get(key) == "???" else _spelled(before[key]) if key in before else "", _spelled(value))
        for key, value in after.items()
        if key not in before or before[key] != value
    ]


@lru_cache(maxsize=16)
def _composed(picks: tuple[tuple[str, str | None], ...], more: Path | None) -> Defaults:
    """Composes the defaults once for all jobs of a sweep that pick the same."""
    return compose_defaults(dict(picks), more)


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _spelled(value: Any) -> str:
    if isinstance(value, str):
        return value
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("...\n").strip()


def _read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return value
