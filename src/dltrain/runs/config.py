"""The config of a run folder, read as what a stranger may have written: nothing of this machine gets into it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dltrain.config.built_in import current_target
from dltrain.errors import CheckpointError
from dltrain.runs.folder import RunDir

PLAIN_REFERENCE = re.compile(r"\$\{[\w.]+\}")


class RunConfig:
    """A run's config, whose values may refer to one another; resolvers such as `${oc.env:...}` stay as they stand.

    Raises:
        CheckpointError: the folder has no such config.
    """

    def __init__(self, run: RunDir) -> None:
        self.path = run.own(run.config)
        try:
            text = self.path.read_text("utf-8")
            # Aliases of aliases fill the memory, and dltrain writes none.
            if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
                raise ValueError("it holds aliases")
            read = yaml.safe_load(text)
            if not isinstance(read, dict):
                raise ValueError("it is no mapping")
            self.values: DictConfig = OmegaConf.create(_with_references_only(_with_current_targets(read)))
        except FileNotFoundError:
            raise CheckpointError(
                f"{run.path} is no run folder: it has no {self.path.name}", fix="name a folder below outputs/"
            ) from None
        except (OSError, ValueError, yaml.YAMLError, OmegaConfBaseException, RecursionError) as error:
            raise CheckpointError(f"{self.path} cannot be read: {' '.join(str(error).split())}") from None

    def node(self, name: str) -> dict[str, Any]:
        """A part of the config; empty where there is none.

        Raises:
            CheckpointError: it refers to nothing.
        """
        try:
            value = OmegaConf.select(self.values, name)
            return cast(dict[str, Any], OmegaConf.to_container(value, resolve=True)) if value is not None else {}
        except (OmegaConfBaseException, ValueError) as error:
            raise CheckpointError(f"{self.path}: {name} cannot be read: {str(error).splitlines()[0]}") from None

    def whole_node(self, name: str) -> dict[str, Any]:
        """As `node`, of a part that objects are built from.

        Raises:
            CheckpointError: some value of it asks for what only the machine that trained knows.
        """
        node = self.node(name)
        for key, value in node.items():
            if "${" in str(value):
                raise CheckpointError(
                    f"{value} is not resolved from a run folder",
                    where=f"{self.path}, {name}.{key}",
                    fix="write its value into that file",
                )
        return node


def _with_current_targets(read: dict[Any, Any]) -> dict[Any, Any]:
    """Returns the config with today's names of what is built in."""
    return {
        name: node | {"_target_": current_target(str(node["_target_"]))}
        if isinstance(node, dict) and "_target_" in node
        else node
        for name, node in read.items()
    }


def _with_references_only(value: Any) -> Any:
    """The same nested value, with every text escaped that holds more than plain references such as `${task.name}`."""
    if isinstance(value, dict):
        return {key: _with_references_only(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_references_only(item) for item in value]
    if isinstance(value, str) and "${" in PLAIN_REFERENCE.sub("", value):
        return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", value)
    return value


def read_values(run: RunDir) -> dict[str, Any]:
    """Returns every value of a run's config by dotted key, as it was written; empty where there is none."""
    try:
        return dict(_flat(OmegaConf.to_container(RunConfig(run).values, resolve=False), ""))
    except CheckpointError:
        return {}


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Returns what two mappings hold differently, by key; what one of them lacks is `None`."""
    keys = dict.fromkeys([*a, *b])
    return {key: (a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)}


def _flat(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and (node or not prefix):
        for key, value in node.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
