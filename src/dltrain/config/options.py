"""The config files that can be picked: dltrain's own, the user's, and those of `--config-dir`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from dltrain.errors import ConfigError

COMBINED = ("logger", "metric")  # groups of which several options may be picked at once, as a list
UNPICKED = frozenset({"logger"})  # groups of which a run need not pick anything, and other programs have files

_named_folder: ContextVar[Path | None] = ContextVar("named_folder", default=None)


@contextmanager
def configs_named(folder: Path | None) -> Iterator[None]:
    """Adds the folder of `--config-dir` inside the block; its files win over all others."""
    before = _named_folder.set(folder)
    try:
        yield
    finally:
        _named_folder.reset(before)


def config_dir() -> Path:
    """Returns the folder of dltrain's configs: in the checkout if there is one, else in the installed package."""
    package = Path(__file__).parents[1]
    checkout = package.parent.parent
    return checkout / "configs" if (checkout / "pyproject.toml").is_file() else package / "configs"


def local_config_dir() -> Path | None:
    """Returns `configs/` in the working directory, None if there is none; it may belong to another program."""
    folder = Path.cwd() / "configs"
    return folder if folder.is_dir() and not folder.samefile(config_dir()) else None


def check_local_configs(among: Collection[str] | None = None) -> None:
    """Checks that no file in the user's `configs/` has the name of one of dltrain's options.

    Files outside the groups, such as another program's train.yaml, are never read.

    Args:
        among: the groups to look at; None for all but those of which a run need not pick anything.

    Raises:
        ConfigError: a file has such a name.
    """
    folder, own = local_config_dir(), config_dir()
    if folder is None:
        return
    for path in sorted(
        path for group in among or set(groups()) - UNPICKED for path in (folder / group).rglob("*.yaml")
    ):
        name = path.relative_to(folder)
        if (own / name).exists():
            raise ConfigError(f"configs/{name} hides dltrain's own {name}", where="configs/", fix="rename the file")


def config_dirs() -> list[Path]:
    """Returns all folders of configs in order of precedence: `--config-dir`, dltrain's, the user's."""
    return [*filter(None, [_named_folder.get()]), config_dir(), *filter(None, [local_config_dir()])]


def options(group: str) -> list[str]:
    """Returns the options of a config group, the user's own included."""
    return sorted({path.stem for folder in config_dirs() for path in (folder / group).glob("*.yaml")})


def option_file(group: str, name: str) -> Path:
    """Returns the file of an option."""
    return next(path for folder in config_dirs() if (path := folder / group / f"{name}.yaml").is_file())


def groups() -> list[str]:
    """Returns dltrain's config groups."""
    names = {path.name for path in config_dir().iterdir() if path.is_dir()}
    first = ["model", "data", "experiment"]
    return [*first, *sorted(names - {"hydra", *first})]
