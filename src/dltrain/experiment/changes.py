"""Writes a run's changes to the defaults next to its config."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

from omegaconf.errors import OmegaConfBaseException

from dltrain.config.compose import compose_defaults
from dltrain.config.defaults import Defaults
from dltrain.config.diff import find_changes
from dltrain.config.loader import own_options
from dltrain.config.redaction import redacted
from dltrain.errors import DltrainError
from dltrain.runs.folder import RunDir, read_yaml
from dltrain.storage import write_json

log = logging.getLogger("dltrain")


def save_changes(run: RunDir, defaults: Defaults | None = None) -> None:
    """Writes the changes to the defaults in the config of a run's folder.

    Args:
        run: the run, whose config is written already.
        defaults: the defaults to compare with; None to compose them from the options in the run's folder.
    """
    if not (run.hydra / "hydra.yaml").exists():
        return
    try:
        hydra = read_yaml(run.hydra / "hydra.yaml")["hydra"]["runtime"]
        choices = own_options(hydra["choices"])
        more = [Path(source["path"]) for source in hydra["config_sources"] if source["provider"] == "command-line"]
        defaults = defaults or _composed(tuple(choices.items()), more[0] if more else None)
    except (LookupError, TypeError, AttributeError) as error:
        log.warning("the config cannot be compared with the defaults: %s is damaged: %r", run.hydra, error)
        return
    except (DltrainError, ExceptionGroup, OmegaConfBaseException) as error:
        log.warning("the config cannot be compared with the defaults: %s", " ".join(str(error).split()))
        return
    changes = find_changes(read_yaml(run.config), choices, defaults)
    # The config in the folder has no secrets; a secret in the defaults is removed here.
    entries = [change._asdict() | {"default": redacted(change.default, change.key)} for change in changes]
    write_json(run.changes, {"changes": entries})


@lru_cache(maxsize=16)
def _composed(picks: tuple[tuple[str, str | None], ...], more: Path | None) -> Defaults:
    """Returns the defaults, composed once for all jobs of a sweep that pick the same options."""
    return compose_defaults(dict(picks), more)
