"""Writes beside a run's config what it changes of the defaults."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf.errors import OmegaConfBaseException

from dltrain.config.compose import compose_defaults
from dltrain.config.defaults import Defaults
from dltrain.config.diff import find_changes
from dltrain.config.loader import own_options
from dltrain.config.redaction import redacted
from dltrain.errors import DltrainError
from dltrain.runs.folder import RunDir
from dltrain.storage import write_json

log = logging.getLogger("dltrain")


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


@lru_cache(maxsize=16)
def _composed(picks: tuple[tuple[str, str | None], ...], more: Path | None) -> Defaults:
    """Composes the defaults once for all jobs of a sweep that pick the same."""
    return compose_defaults(dict(picks), more)


def _read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return value
