"""Reads and writes the config of a run folder. A stranger may have written it: nothing of this machine goes into it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf._utils import get_omega_conf_dumper
from omegaconf.errors import OmegaConfBaseException

from dltrain.config.built_in import BEFORE, current_target
from dltrain.errors import CheckpointError
from dltrain.runs.folder import RunDir, yaml_loader
from dltrain.storage import write_text

PLAIN_REFERENCE = re.compile(r"\$\{[\w.]+\}")


class RunConfig:
    """A run's config. Its values may refer to one another; resolvers such as `${oc.env:...}` stay unresolved.

    Raises:
        CheckpointError: the folder has no config, or it cannot be read.
    """

    def __init__(self, run: RunDir) -> None:
        self.path = run.own(run.config)
        try:
            self.values: DictConfig = OmegaConf.create(_read_plain(run))
        except (OmegaConfBaseException, ValueError, RecursionError) as error:
            raise CheckpointError(f"{self.path} cannot be read: {' '.join(str(error).split())}") from None

    def node(self, name: str) -> dict[str, Any]:
        """Returns a section of the config, its references resolved; empty where there is none.

        Raises:
            CheckpointError: a reference names no value.
        """
        try:
            value = OmegaConf.select(self.values, name)
            return cast(dict[str, Any], OmegaConf.to_container(value, resolve=True)) if value is not None else {}
        except (OmegaConfBaseException, ValueError) as error:
            raise CheckpointError(f"{self.path}: {name} cannot be read: {str(error).splitlines()[0]}") from None

    def whole_node(self, name: str) -> dict[str, Any]:
        """Returns a section that objects are built from, as `node` does.

        Raises:
            CheckpointError: a value refers to something outside the config, such as an environment variable.
        """
        node = self.node(name)
        for key, value in node.items():
            if "${" in str(value):
                raise CheckpointError(
                    f"{value} is not resolved, because it refers to something outside the run folder",
                    where=f"{self.path}, {name}.{key}",
                    fix="write its value into that file",
                )
        return node


def _read_plain(run: RunDir) -> dict[Any, Any]:
    """Returns the values of a run's config, with today's names of targets and only plain references left to resolve.

    Raises:
        CheckpointError: the folder has no config, or it cannot be read.
    """
    path = run.own(run.config)
    try:
        text = path.read_text("utf-8")
        # A small file of aliases of aliases can fill the memory, and dltrain writes no aliases.
        if "*" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml_loader())):
            raise ValueError("it contains aliases")
        read = yaml.load(text, yaml_loader())
        if not isinstance(read, dict):
            raise ValueError("it is not a mapping")
        plain = _with_references_only(_with_current_targets(read))
        assert isinstance(plain, dict)
        return plain
    except FileNotFoundError:
        raise CheckpointError(
            f"{run.path} is not a run folder: it has no {path.name}", fix="name a folder below outputs/"
        ) from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {' '.join(str(error).split())}") from None


def _with_current_targets(read: dict[Any, Any]) -> dict[Any, Any]:
    """Returns the config with today's names of built-in targets, which older versions spelled otherwise, and with the
    keys that older versions did not have."""
    return {
        name: _current_node(node) if isinstance(node, dict) and "_target_" in node else node
        for name, node in read.items()
    }


def _current_node(node: dict[Any, Any]) -> dict[Any, Any]:
    target = current_target(str(node["_target_"]))
    return {**BEFORE.get(target, {}), **node, "_target_": target}


def _with_references_only(value: Any) -> Any:
    """Returns the same nested value, in which every text is escaped that holds anything but plain references such as
    `${task.name}`."""
    if isinstance(value, dict):
        return {key: _with_references_only(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_references_only(item) for item in value]
    if isinstance(value, str) and "${" in PLAIN_REFERENCE.sub("", value):
        return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", value)
    return value


def read_values(run: RunDir) -> dict[str, Any]:
    """Returns every value of a run's config by dotted key, references unresolved; empty where there is no config."""
    try:
        return dict(_flat(_read_plain(run), ""))
    except CheckpointError:
        return {}


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Returns the pairs of values in which two mappings differ, by key; `None` stands for a missing value."""
    keys = dict.fromkeys([*a, *b])
    return {key: (a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)}


def _flat(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yields every value of a nested mapping by its dotted key; an empty mapping counts as a value."""
    if isinstance(node, dict) and (node or not prefix):
        for key, value in node.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def write_yaml(path: Path, value: object) -> None:
    """Writes a whole YAML file or none, of nested primitives; texts that look like numbers or truth values are
    quoted."""
    write_text(path, yaml_text(value))


def yaml_text(value: object) -> str:
    """Returns the text of a YAML file, as OmegaConf writes and reads it."""
    text: str = yaml.dump(value, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=_dumper())
    return text


@cache
def _dumper() -> Any:
    class Dumper(getattr(yaml, "CDumper", yaml.Dumper)):  # type: ignore[misc]
        """OmegaConf's dumper, several times faster where PyYAML has its library in C."""

    Dumper.add_representer(str, get_omega_conf_dumper().str_representer)
    Dumper.add_multi_representer(Enum, lambda dumper, item: dumper.represent_str(item.name))
    Dumper.ignore_aliases = lambda *_: True
    return Dumper
