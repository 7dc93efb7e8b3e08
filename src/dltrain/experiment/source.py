"""Which code from outside a model is made of: a digest of each file, and the versions of installed packages."""

from __future__ import annotations

import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from dltrain.storage import digest

OWN = ("dltrain", "torch", "torchvision")  # whose versions stand in every result
MOST_FILES = 200


def origin_of(*parts: nn.Module) -> dict[str, dict[str, str]]:
    """Returns the `source` and the `packages` that a model and a loss are made of, as a run's result keeps them."""
    return {"source": source_of(*parts), "packages": packages_of(*parts)}


def source_of(*parts: nn.Module) -> dict[str, str]:
    """Returns the SHA-256 of every source file from outside that a model and a loss are made of, by module.

    Of code of the user's own that includes what its modules import of each other; of installed packages the files of
    the classes alone, beside whose version they hardly change.
    """
    found: dict[str, Path] = {}
    waiting = list(_modules(parts))
    while waiting and len(found) < MOST_FILES:
        module = waiting.pop()
        path = _file(module)
        if path is None or module.__name__ in found:
            continue
        found[module.__name__] = path
        if not _is_installed(path):
            waiting += [other for other in _imported(module) if (file := _file(other)) and not _is_installed(file)]
    return {name: digest(path) for name, path in sorted(found.items())}


def packages_of(*parts: nn.Module) -> dict[str, str]:
    """Returns the versions of the installed packages that a model and a loss come from, beside torch's."""
    packages = {
        module.__name__.partition(".")[0]
        for module in _modules(parts)
        if (file := _file(module)) and _is_installed(file)
    }
    versions = {}
    for package in sorted(packages):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = str(getattr(sys.modules.get(package), "__version__", "unknown"))
    return versions


def _modules(parts: Iterable[nn.Module]) -> Iterator[ModuleType]:
    """The Python modules that define the classes of all layers, and those above them, from outside."""
    classes = {base for part in parts for layer in part.modules() for base in type(layer).__mro__}
    for name in {cls.__module__ for cls in classes}:
        package = name.partition(".")[0]
        if package not in OWN and package not in sys.stdlib_module_names and name in sys.modules:
            yield sys.modules[name]


def _imported(module: ModuleType) -> Iterator[ModuleType]:
    """The modules that a module's names come from."""
    for value in list(vars(module).values()):
        name: Any = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str) and name in sys.modules and name != module.__name__:
            yield sys.modules[name]


def _file(module: ModuleType) -> Path | None:
    if module.__name__.partition(".")[0] in (*OWN, *sys.stdlib_module_names):
        return None
    try:
        path = Path(inspect.getsourcefile(module) or "")
    except TypeError:  # it is built in
        return None
    return path if path.is_file() else None


def is_installed(target: Callable[..., Any]) -> bool:
    """Tells whether a class or function belongs to an installed package, and not to the user's own code."""
    try:
        return _is_installed(Path(inspect.getfile(target)).resolve())
    except (TypeError, OSError):
        return True


def _is_installed(path: Path) -> bool:
    return "site-packages" in path.parts or "dist-packages" in path.parts
