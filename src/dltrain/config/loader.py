"""Hydra's loader of configs, as dltrain uses it: which files it reads, and in which order they override each other.

Hydra merges files in the order of the defaults list. A recipe, which the data picks, sets values of the trainer; an
option that the user picks is merged after it, so that the user's choice wins (`picked_last`).
"""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository, IConfigRepository
from hydra._internal.defaults_list import create_defaults_list
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.default_element import ConfigDefault, GroupDefault, ResultDefault
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import setup_globals
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict

from dltrain.config.options import config_dir, local_config_dir

CONFIG_NAME = "train"
FOR_ALL = ("experiment", "debug", "recipe", "search")  # groups whose files set keys of every section
RECIPE = "recipe"  # the group whose values every option of the user overrides
FIXED = ("data", "model")  # groups whose picked option also applies to the defaults that a run is compared with


@contextmanager
def own_hydra() -> Iterator[None]:
    """Sets Hydra up for dltrain's configs inside the block, and restores the settings of a surrounding program."""
    base = version.VersionBase.instance()
    before = base.version_base
    if not OmegaConf.has_resolver("hydra"):
        setup_globals()
    version.setbase("1.3")
    try:
        yield
    finally:
        base.version_base = before


@contextmanager
def hydra_config(composed: DictConfig) -> Iterator[None]:
    """Makes `${hydra:...}` refer to this config inside the block."""
    current = HydraConfig.instance()
    before = current.cfg
    current.cfg = cast(Any, composed)  # `set_config` would copy all of it
    try:
        yield
    finally:
        current.cfg = before


@dataclass(frozen=True)
class ConfigFile:
    """One of the files that a config is composed of.

    Args:
        name: group and option, such as `trainer/long`.
        package: the section that its keys belong to; empty for the whole config.
        path: the path of the file; None for a config of a Hydra plugin.
        values: its content, interpolations unresolved.
        built_in: whether it belongs to dltrain or Hydra.
    """

    name: str
    package: str
    path: Path | None
    values: Mapping[str, Any]
    built_in: bool

    @property
    def group(self) -> str:
        """Returns the group that it is an option of."""
        return self.name.rpartition("/")[0]

    @property
    def placed(self) -> Mapping[str, Any]:
        """Returns its values, nested as in the whole config."""
        placed: Mapping[str, Any] = self.values
        for section in reversed(self.package.split(".") if self.package else []):
            placed = {section: placed}
        return placed

    @property
    def display_path(self) -> str:
        """Returns its path as the user would write it, relative to the working directory if it is inside it."""
        if self.path is None:
            return self.name
        here = Path.cwd()
        return str(self.path.relative_to(here) if self.path.is_relative_to(here) else self.path)


@dataclass(frozen=True, eq=False)
class Composed:
    """A composition, before the values of the command line are set; jobs that pick the same options share it.

    Args:
        config: all values, Hydra's own included.
        files: the files that it was composed of, except Hydra's own; later ones win.
        options: the option of each of dltrain's groups.
        repository: the source of the files.
    """

    config: DictConfig
    files: Sequence[ConfigFile]
    options: Mapping[str, str]
    repository: Files

    @cached_property
    def sections(self) -> dict[str, Any]:
        """Returns every section and key of the picked options, without those that an experiment sets."""
        sections: dict[str, Any] = {}
        for file in self.files:
            if file.group not in FOR_ALL:
                merge(sections, {name: value for name, value in file.placed.items() if name != "hydra"})
        return sections

    def copy(self) -> DictConfig:
        """Returns a copy of the config."""
        if self._pickled is None:
            return copy.deepcopy(self.config)
        copied: DictConfig = pickle.loads(self._pickled)
        return copied

    @cached_property
    def _pickled(self) -> bytes | None:
        """Returns the config as bytes, from which a copy takes a seventh of the time of a deep one; `None` in a process
        of a launcher where Hydra has imported the plugins twice, so that their classes cannot be pickled."""
        return pickled_or_none(self.config)

    def overridden_by(self, group: str) -> dict[str, str]:
        """Returns the options of other groups that the picked option of a group picks in place of the usual ones."""
        picks = _defaults_of(f"{group}/{self.options.get(group)}", self.repository)
        return {str(default.group).strip("/"): str(default.value) for default in picks if default.override}

    @cached_property
    def usual_options(self) -> dict[str, str | None]:
        """Returns the option of every group if only data and model are picked."""
        picks = {group: self.options[group] for group in FIXED if group in self.options}
        typed = [f"{group}={'null' if option is None else option}" for group, option in picks.items()]
        defaults_list = create_defaults_list(
            repo=self.repository,
            config_name=CONFIG_NAME,
            overrides_list=OverridesParser.create().parse_overrides(typed),
            prepend_hydra=True,
            skip_missing=False,
        )
        return own_options(defaults_list.overrides.known_choices)


def pickled_or_none(config: DictConfig) -> bytes | None:
    """Returns a config as bytes, or `None` if it cannot be pickled."""
    try:
        return pickle.dumps(config, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, TypeError, AttributeError):
        return None


def own_options(choices: Mapping[Any, Any]) -> dict[str, str | None]:
    """Returns the picked option of each group, without Hydra's own groups."""
    return {str(group): option for group, option in choices.items() if not str(group).startswith("hydra/")}


def merge(values: dict[str, Any], content: Mapping[str, Any]) -> None:
    """Merges a file's content into nested values, as Hydra does: mappings are merged, everything else is replaced."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            before = values.get(name)
            values[name] = dict(before) if isinstance(before, Mapping) else {}
            merge(values[name], value)
        else:
            values[name] = value


class Repository(ConfigRepository):
    """The config files of all folders; dltrain's own `train.yaml` is the only one of its name."""

    def _find_object_source(self, config_path: str, object_type: ObjectType | None) -> ConfigSource | None:
        if config_path == CONFIG_NAME:
            return next(source for source in self.sources if source.provider == "main")
        return super()._find_object_source(config_path, object_type)


class Files(CachingConfigRepository):
    """The config files of one composition, each read once, and the options that its overrides pick.

    Args:
        delegate: the repository that reads the files.
        overrides: the overrides of the composition.
    """

    def __init__(self, delegate: IConfigRepository, overrides: Sequence[Override]) -> None:
        super().__init__(delegate)
        self.overrides = overrides

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Returns a file; where data, or no one else, picks a recipe, it is the model's own, if there is one and the
        picked recipe is not made for this model."""
        loaded = super().load_config(config_path)
        picks = config_path == CONFIG_NAME or config_path.startswith("data/")
        if loaded is not None and picks and (recipe := self.recipe_of_model):
            for default in loaded.defaults_list or ():
                if not (isinstance(default, GroupDefault) and _names(default, RECIPE)):
                    continue
                if recipe not in self._models_of(f"{RECIPE}/{default.value}"):
                    default.value = recipe
        return loaded

    def _models_of(self, config_path: str) -> list[str]:
        """Returns the models that a file picks."""
        return [str(default.value) for default in _defaults_of(config_path, self) if _names(default, "model")]

    def get_schema_source(self) -> ConfigSource:
        """Refuses to hold a file against a config that code stored under the same name, such as a plugin's.

        Raises:
            ConfigLoadError: always; Hydra then takes the file as it is.
        """
        raise ConfigLoadError("files are checked against the signatures of their targets")

    @property
    def recipe_of_model(self) -> str:
        """Returns the recipe that has the name of the picked model, or of one that it inherits from; empty for none.

        An override picks the model, or else an experiment.
        """
        picks = {item.key_or_group: item.value() for item in self.overrides if not item.is_sweep_override()}
        model = picks.get("model")
        if model is None and picks.get("experiment") is not None:
            inherited = _defaults_of(f"experiment/{picks['experiment']}", self)
            model = next((default.value for default in inherited if str(default.group).strip("/") == "model"), None)
        family = self.family("model", model) if isinstance(model, str) else []
        return next((name for name in family if self.config_exists(f"{RECIPE}/{name}")), "")

    def family(self, group: str, option: str) -> list[str]:
        """Returns an option of a group, and those that it inherits from, one from the other."""
        family: list[str] = []
        parent: str | None = option
        while parent is not None and parent not in family:
            family.append(parent)
            parent = next(self._parents(f"{group}/{parent}"), None)
        return family

    def _parents(self, config_path: str) -> Iterator[str]:
        """Yields the files of the same group that a file inherits from; a file may be in a folder that comes later."""
        if not self.config_exists(config_path):
            return
        loaded = super().load_config(config_path)
        for default in () if loaded is None else loaded.defaults_list or ():
            if isinstance(default, ConfigDefault) and not default.is_self():
                yield str(default.path)

    @property
    def picked(self) -> set[str]:
        """Returns the groups of which an override picks an option."""
        return {item.key_or_group for item in self.overrides if self.group_exists(item.key_or_group)}

    def file(self, default: ResultDefault) -> ConfigFile:
        """Returns the file of an entry of the defaults list."""
        name = str(default.config_path)
        sources = [source for source in self.get_sources() if source.is_config(name)]
        source = next(one for one in sources if name != CONFIG_NAME or one.provider == "main")
        path = Path(source.path) / f"{name}.yaml" if source.scheme() == "file" else None
        loaded = self.load_config(name)
        values = OmegaConf.to_container(loaded.config, resolve=False) if loaded is not None else {}
        values = values if isinstance(values, dict) else {}
        built_in = source.provider in ("main", "hydra") or path is None
        return ConfigFile(name, default.package or "", path, cast(dict[str, Any], values), built_in)


def search_path_of(folder: Path | None) -> ConfigSearchPath:
    """Returns the folders of configs in order of precedence: `--config-dir`, dltrain's, the user's `configs/`."""
    search_path = create_config_search_path(str(config_dir()))
    local = local_config_dir()
    if local is not None:
        search_path.append("dltrain-local", f"file://{local}", SearchPathQuery("main"))
    if folder is not None:
        search_path.prepend("command-line", f"file://{folder}", SearchPathQuery("main"))
    return search_path


class Loader(ConfigLoaderImpl):
    """Composes configs, in which the user's options override a recipe; can be pickled, for Hydra's launchers.

    Jobs that pick the same options are composed of the same files, which are read and merged once.

    Args:
        search_path: the folders of configs.
    """

    def __init__(self, search_path: ConfigSearchPath) -> None:
        super().__init__(search_path)
        self.repository = Repository(search_path)
        self._compositions: dict[tuple[str, ...], Composed] = {}
        self._groups: dict[str, bool] = {}
        self._parsed: dict[str, Override] = {}
        self._jobs: dict[tuple[str, ...], bytes] = {}
        self._merged: tuple[list[ResultDefault], Files]

    def __getstate__(self) -> dict[str, Any]:
        own = {name: value for name, value in vars(self).items() if name != "_merged"}
        return own | {"_compositions": {}, "_parsed": {}, "_jobs": {}}

    def parse(self, line: str) -> Override:
        """Returns an override as Hydra parses it; jobs of a sweep share most of theirs.

        Raises:
            HydraException: it is none.
        """
        if line not in self._parsed:
            (self._parsed[line],) = OverridesParser.create(config_loader=self).parse_overrides([line])
        return self._parsed[line]

    def look_also_in(self, folders: Sequence[str]) -> None:
        """Adds the folders of `hydra.searchpath`, as Hydra itself does in each composition."""
        search_path = copy.deepcopy(self.config_search_path)
        for folder in folders:
            search_path.append("hydra.searchpath in command-line", folder, SearchPathQuery("main"))
        self.repository, self._groups = Repository(search_path), {}

    def keep_for_launch(self, overrides: Sequence[str], composed: DictConfig) -> None:
        """Keeps the config of a job of a sweep, composed to be checked, for sweeper and launcher."""
        if (pickled := pickled_or_none(composed)) is not None:
            self._jobs[tuple(overrides)] = pickled

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Returns the config of a job of a sweep; what was composed to check it is not composed again."""
        pickled = self._jobs.get(tuple(sweep_overrides))
        composed = None if pickled is None else cast(DictConfig, pickle.loads(pickled))
        own = [str(line) for line in master_config.hydra.overrides.hydra]
        before = [] if composed is None else [str(line) for line in composed.hydra.overrides.hydra]
        since = [self.parse(line) for line in own[len(before) :]]  # such as the folder of the sweep
        if composed is None or before != own[: len(before)] or not all(map(self._sets_value, since)):
            return super().load_sweep_config(master_config, sweep_overrides)
        self._apply_overrides_to_config(since, composed)
        with open_dict(composed.hydra):
            composed.hydra.overrides.hydra = own
            composed.hydra.job.id = composed.hydra.job.num = MISSING  # the launcher sets them
        OmegaConf.copy_cache(from_config=master_config, to_config=composed)
        return composed

    def composed(self, overrides: Sequence[Override], run_mode: RunMode = RunMode.RUN) -> Composed:
        """Returns the composition of the options that overrides pick, before their values are set.

        Args:
            overrides: all overrides of a job.
            run_mode: `MULTIRUN` for a sweep's own config.

        Raises:
            HydraException, OmegaConfBaseException, YAMLError: the options cannot be composed.
        """
        picks = [item.input_line or "" for item in overrides if not self._sets_value(item)]
        key = (run_mode.name, *picks)
        if key not in self._compositions:
            config = super()._load_configuration_impl(
                CONFIG_NAME, picks, run_mode, from_shell=False, validate_sweep_overrides=False
            )
            defaults, files = self._merged
            own = [entry for entry in defaults if not _group(entry).startswith("hydra")]
            options = {_group(one): str(one.config_path).rpartition("/")[2] for one in own if one.parent == CONFIG_NAME}
            self._compositions[key] = Composed(config, [files.file(entry) for entry in own], options, files)
        return self._compositions[key]

    def _sets_value(self, override: Override) -> bool:
        """Tells whether an override sets a value, rather than that it decides which files are read."""
        key = override.key_or_group
        if key not in self._groups:
            self._groups[key] = bool(self.repository.group_exists(key))
        return not self._groups[key] and key != "hydra.searchpath"

    def _load_configuration_impl(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        parsed = [self.parse(line) for line in overrides]
        if validate_sweep_overrides:
            self.validate_sweep_overrides_legal(parsed, run_mode, from_shell)
        config = self.composed(parsed, run_mode).copy()
        values = [item for item in parsed if self._sets_value(item) and not item.is_sweep_override()]
        self._apply_overrides_to_config(values, config)
        own = [item for item in parsed if item.is_hydra_override()]
        tasks = [item for item in parsed if not item.is_hydra_override()]
        with open_dict(config.hydra):
            job = config.hydra.job
            config.hydra.overrides.hydra = [item.input_line for item in own]
            config.hydra.overrides.task = [item.input_line for item in tasks]
            job.env_set.update({name: os.environ[name] for name in job.env_copy})
            joined = job.config.override_dirname
            job.override_dirname = get_overrides_dirname(tasks, joined.exclude_keys, joined.item_sep, joined.kv_sep)
        return config

    def _parse_overrides_and_create_caching_repo(
        self, config_name: str | None, overrides: list[str]
    ) -> tuple[list[Override], Files]:
        parsed = [self.parse(line) for line in overrides]
        files = Files(self.repository, parsed)
        self._process_config_searchpath(config_name, parsed, files)
        return parsed, files

    def _compose_config_from_defaults_list(self, defaults: list[ResultDefault], repo: IConfigRepository) -> DictConfig:
        files = cast(Files, repo)
        self._merged = picked_last(defaults, files), files
        return super()._compose_config_from_defaults_list(self._merged[0], repo)


def picked_last(defaults: Sequence[ResultDefault], files: Files) -> list[ResultDefault]:
    """Returns the defaults list with the options that the user picked after the recipe.

    An option is the user's if an override picks it, or a file that is not a recipe, such as an experiment. What such
    an option inherits from the group's usual option is not the user's choice and stays before the recipe.
    """
    last = max((position for position, entry in enumerate(defaults) if _group(entry) == RECIPE), default=-1)
    pickers: dict[str, str] = {}
    for entry in defaults:
        for default in _defaults_of(entry.config_path, files):
            if default.override:
                pickers[str(default.group).strip("/")] = _group(entry)
    picked = files.picked | {group for group, picker in pickers.items() if picker != RECIPE}
    usual = {f"{default.group}/{default.value}" for default in _defaults_of(CONFIG_NAME, files)}

    def is_users(entry: ResultDefault) -> bool:
        itself = entry.parent == CONFIG_NAME
        own = _group(entry) in picked - {RECIPE} and not _group(entry).startswith("hydra")
        return own and (itself or entry.config_path not in usual)

    before, after = defaults[: last + 1], defaults[last + 1 :]
    others = [entry for entry in before if not is_users(entry)]
    return [*others, *(entry for entry in before if is_users(entry)), *after]


def _defaults_of(name: str | None, files: Files) -> list[GroupDefault]:
    loaded = files.load_config(str(name))
    defaults = [] if loaded is None or loaded.defaults_list is None else loaded.defaults_list
    return [default for default in defaults if isinstance(default, GroupDefault)]


def _names(default: GroupDefault, group: str) -> bool:
    """Tells whether an entry of a defaults list picks an option of a group."""
    return str(default.group).strip("/") == group


def _group(entry: ResultDefault) -> str:
    return str(entry.config_path).rpartition("/")[0]
