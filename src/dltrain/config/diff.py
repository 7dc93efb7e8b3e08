"""What a run's config changes of the defaults for its data and its model."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from dltrain.config.compose import compose_choices, picked_options
from dltrain.config.redaction import redacted
from dltrain.errors import DltrainError
from dltrain.runs.folder import RunDir, write_json

log = logging.getLogger("dltrain")

KEPT = ("data", "model")  # groups whose defaults are those of what was picked, whatever was picked
ON_TOP = ("experiment", "debug")  # groups that change keys of the others


class Change(NamedTuple):
    """A key whose value is not the default; values are YAML, and what has no default is empty."""

    key: str
    default: str
    value: str


def save_changes(run: RunDir) -> None:
    """Writes what the run's config, as it stands in its folder, changes of the defaults."""
    if not (run.hydra / "hydra.yaml").exists():
        return
    hydra = _read(run.hydra / "hydra.yaml")["hydra"]["runtime"]
    more = [Path(source["path"]) for source in hydra["config_sources"] if source["provider"] == "command-line"]
    try:
        changes = find_changes(_read(run.config), picked_options(hydra["choices"]), more[0] if more else None)
    except (DltrainError, OmegaConfBaseException, HydraException) as error:
        log.warning("what differs from the defaults cannot be told: %s", " ".join(str(error).split()))
        return
    # The folder's files hold no secrets; a default that is one is taken out here.
    said = [change._asdict() | {"default": redacted(change.default, change.key)} for change in changes]
    write_json(run.changes, {"changes": said})


def find_changes(config: Mapping[str, Any], choices: Mapping[str, str | None], more: Path | None) -> list[Change]:
    """Groups of which another option was picked, then keys that differ from their option's own value.

    Args:
        config: as it was composed, interpolations unresolved.
        choices: the option of each group.
        more: another folder of configs, of `--config-dir`.

    Raises:
        ConfigError: the defaults cannot be composed.
    """
    picked = {group: choices[group] for group in KEPT if choices.get(group)}
    default, usual = _composed(tuple(picked.items()), more)
    plain = {group: option for group, option in choices.items() if group not in ON_TOP}
    if any(usual.get(group) != option for group, option in plain.items()):
        default, _ = _composed(tuple(plain.items()), more)
    changed = [
        Change(group, _spelled(usual.get(group)), _spelled(option))
        for group, option in choices.items()
        if option != usual.get(group)
    ]
    before, after = dict(_leaves(default)), dict(_leaves(config))
    return changed + [
        Change(key, "" if before.get(key) == "???" else _spelled(before[key]) if key in before else "", _spelled(value))
        for key, value in after.items()
        if key not in before or before[key] != value
    ]


@lru_cache(maxsize=16)
def _composed(
    picks: tuple[tuple[str, str | None], ...], more: Path | None
) -> tuple[Mapping[str, Any], Mapping[str, str | None]]:
    """The jobs of a sweep share it."""
    return compose_choices(dict(picks), more)


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
