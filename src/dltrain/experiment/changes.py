"""Writes a run's changes to the defaults next to its config."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

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


class Written(NamedTuple):
    """What was written of a run's config.

    Args:
        config: the composed config.
        hydra: Hydra's own.
    """

    config: Mapping[str, Any]
    hydra: Mapping[str, Any]


def save_changes(run: RunDir, defaults: Defaults | None = None, written: Written | None = None) -> None:
    """Writes the changes to the defaults in the config of a run's folder.

    Args:
        run: the run, whose config is written already.
        defaults: the defaults to compare with; None to compose them from the options in the run's folder.
        written: the config as it was written; None to read it.
    """
    if written is None and not (run.hydra / "hydra.yaml").exists():
        return
    try:
        hydra = read_yaml(run.hydra / "hydra.yaml")["hydra"] if written is None else written.hydra
        choices, sources = own_options(hydra["runtime"]["choices"]), hydra["runtime"]["config_sources"]
        more = [Path(source["path"]) for source in sources if source["provider"] == "command-line"]
        defaults = defaults or _composed(tuple(choices.items()), more[0] if more else None)
    except (LookupError, TypeError, AttributeError) as error:
        log.warning("the config cannot be compared with the defaults: %s is damaged: %r", run.hydra, error)
        return
    except (DltrainError, ExceptionGroup, OmegaConfBaseException) as error:
        log.warning("the config cannot be compared with the defaults: %s", " ".join(str(error).split()))
        return
    changes = find_changes(read_yaml(run.config) if written is None else written.config, choices, defaults)
    # The config in the folder has no secrets; a secret in the defaults is removed here.
    entries = [change._asdict() | {"default": redacted(change.default, change.key)} for change in changes]
    write_json(run.changes, {"changes": entries})


@lru_cache(maxsize=16)
def _composed(picks: tuple[tuple[str, str | None], ...], more: Path | None) -> Defaults:
    """Returns the defaults, composed once for all jobs of a sweep that pick the same options."""
    return compose_defaults(dict(picks), more)
