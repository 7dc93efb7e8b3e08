"""Which configs there are: dltrain's own, the user's, and those of `--config-dir`."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path

from dltrain.errors import ConfigError

more_configs: ContextVar[Path | None] = ContextVar("more_configs", default=None)


def config_dir() -> Path:
    """The folder of the configs: the checkout's, else the one inside the installed package."""
    package = Path(__file__).parents[1]
    checkout = package.parent.parent
    return checkout / "configs" if (checkout / "pyproject.toml").is_file() else package / "configs"


def local_config_dir() -> Path | None:
    """The user's own `configs/`, where there is one in the working directory.

    Raises:
        ConfigError: a file in it has the name of a built-in one.
    """
    folder, own = Path.cwd() / "configs", config_dir()
    if not folder.is_dir() or folder.samefile(own):
        return None
    for path in sorted(folder.rglob("*.yaml")):
        name = path.relative_to(folder)
        if (own / name).exists():
            raise ConfigError(f"configs/{name} hides dltrain's own {name}", where="configs/", fix="rename the file")
    return folder


def config_dirs() -> list[Path]:
    """Every folder of configs: dltrain's, the user's, and the one of `--config-dir`."""
    return [config_dir(), *filter(None, [local_config_dir(), more_configs.get()])]


def options(group: str) -> list[str]:
    """The names that can be picked in a config group, the user's own among them."""
    return sorted({path.stem for folder in config_dirs() for path in (folder / group).glob("*.yaml")})


def option_file(group: str, name: str) -> Path:
    """The file of an option."""
    return next(path for folder in config_dirs() if (path := folder / group / f"{name}.yaml").is_file())


def groups() -> list[str]:
    """The config groups."""
    names = {path.name for folder in config_dirs() for path in folder.iterdir() if path.is_dir()}
    first = ["model", "data", "experiment"]
    return [*first, *sorted(names - {"hydra", *first})]
