"""The config of a run that is resumed: what is read from its folder, and which keys may change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dltrain.config.quoting import quoted
from dltrain.config.redaction import REDACTED
from dltrain.config.validation import spelled, unknown_key
from dltrain.errors import CheckpointError, ConfigError
from dltrain.runs.config import RunConfig
from dltrain.runs.folder import RunDir, advise_restart

REFERENCE = re.compile(r"\$\{[\w.\[\]]+\}")  # to another key of the same config

# With other values of these keys it would be another run. The data is compared by its fingerprint.
FIXED = (
    "model",
    "task",
    "loss",
    "augment",
    "seed",
    "init_from",
    "optimizer._target_",
    "trainer.monitor",
    "trainer.ema",
    "trainer.swa",
)
NODES = ("data", "model", "task", "loss", "augment", "optimizer", "scheduler", "trainer", "baseline")


def read_config(run: RunDir) -> DictConfig:
    """Returns the config of a run, with nothing resolved.

    Raises:
        CheckpointError: the folder is not a run, or its config is damaged.
    """
    run.read_status()
    if not run.config.exists():
        raise CheckpointError(
            f"{run.path} has no {run.config.name}: the run was killed before it began", fix=advise_restart(run.path)
        )
    config = RunConfig(run).values
    lacking = [name for name in NODES if not isinstance(config._get_node(name), DictConfig)]
    if lacking or "seed" not in config:
        raise CheckpointError(f"{run.config} is not the config of a run: it has no {', '.join([*lacking, 'seed'][:3])}")
    return config


def apply(overrides: Sequence[str], config: DictConfig) -> None:
    """Sets the values of overrides, quoted for Hydra, in a run's config.

    Raises:
        ExceptionGroup: one ConfigError for each wrong override.
    """
    errors = []
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
            refusal = _refusal(override, config)
            if refusal is None:
                OmegaConf.update(config, override.key_or_group, override.value())
        except HydraException:
            refusal = ConfigError("this is not key=value", where=text, fix="dltrain resume RUN trainer.epochs=200")
        errors += [] if refusal is None else [refusal]
    if errors:
        raise ExceptionGroup("overrides", errors)


def resolved(config: DictConfig) -> dict[str, Any]:
    """Returns all values of a run's config. Follows references to its own keys, and resolves nothing else.

    Raises:
        ExceptionGroup: one ConfigError for each value that must be given again.
    """
    raw = OmegaConf.to_container(config, resolve=False)
    errors = [error for key, value in leaves(raw) if (error := _missing(key, value))]
    if errors:
        raise ExceptionGroup("config", errors)
    try:
        return dict(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]
    except OmegaConfBaseException as error:
        raise ConfigError(
            str(error).splitlines()[0], where="config.yaml", fix="check the reference in ${...}"
        ) from None


def check_same_run(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuses changes that would make the run another one.

    Raises:
        ExceptionGroup: one ConfigError for each changed key that a resumed run must keep.
    """
    errors = [
        ConfigError(
            f"this run has {spelled(old)}, and {spelled(new)} would make it another run",
            where=key,
            fix="train again, or continue anyway",
            override="--force",
        )
        for key, old, new in differences(before, after)
        if any(key == fixed or key.startswith(f"{fixed}.") for fixed in FIXED)
    ]
    if errors:
        raise ExceptionGroup("config", errors)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Returns every key whose value differs, with both values."""
    old, new = dict(leaves(before)), dict(leaves(after))
    return [(key, old.get(key), new.get(key)) for key in {**old, **new} if old.get(key) != new.get(key)]


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the dotted path and the value of every key of a config; lists are one value."""
    if isinstance(node, Mapping) and node:
        for name, child in node.items():
            yield from leaves(child, f"{path}.{name}" if path else str(name))
    else:
        yield path, node


def _refusal(override: Override, config: DictConfig) -> ConfigError | None:
    key = override.key_or_group
    if override.is_delete() or override.is_sweep_override():
        return ConfigError("a resumed run needs one value for each key", where=key, fix=f"give it: {key}=...")
    paths = [path for path, _ in leaves(OmegaConf.to_container(config, resolve=False))]
    if key in paths or any(path.startswith(f"{key}.") and isinstance(override.value(), dict) for path in paths):
        return None
    if any(path.startswith(f"{key}.") for path in paths):
        fix = f"change single keys, such as {next(path for path in paths if path.startswith(f'{key}.'))}"
        return ConfigError(f"a resumed run keeps its {key}", where=key, fix=fix)
    return unknown_key(key, paths)


def _missing(key: str, value: Any) -> ConfigError | None:
    """Returns an error if a value of a run's config cannot be used as it is, else None."""
    texts = value if isinstance(value, list) else [value]
    if REDACTED in texts:
        what = "this is a secret, which is not stored"
    elif any(isinstance(text, str) and "${" in REFERENCE.sub("", text) for text in texts):
        what = f"{str(value).lstrip(chr(92))} is not resolved in a run folder"
    else:
        return None
    return ConfigError(what, where=key, fix="give it again", override=f"{key}={quoted('...')}")
