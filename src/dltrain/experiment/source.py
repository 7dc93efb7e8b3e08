"""The origin of a run's code outside dltrain: a digest of each file, and the versions of installed packages."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from dltrain.storage import digest

OWN = ("dltrain", "torch", "torchvision")  # their versions are in every result
MOST_FILES = 200


def origin_of(*parts: nn.Module) -> dict[str, dict[str, str]]:
    """Returns the `source` and the `packages` of a model and a loss, as result.json stores them."""
    return {"source": source_of(*parts), "packages": packages_of(*parts)}


def source_of(*parts: nn.Module) -> dict[str, str]:
    """Returns the SHA-256 of every source file of a model and a loss outside dltrain, by module.

    For the user's own code that includes the modules that it imports; for installed packages only the files of the
    classes, because their version covers the rest.
    """
    return {name: digest(path) for name, path in sorted(_files(parts).items())}


def code_of(*parts: object) -> dict[str, str]:
    """Returns two SHA-256 of every file of the user's own code behind some objects, classes and functions, by module.

    The first is that of the file, the second that of the code without comments, as this version of Python reads it.
    """
    files = {name: path for name, path in _files(parts).items() if not _is_installed(path)}
    return {name: f"{digest(path)} {_digest_of_code(path)}" for name, path in sorted(files.items())}


def _digest_of_code(path: Path) -> str:
    return hashlib.sha256(ast.dump(ast.parse(path.read_bytes())).encode()).hexdigest()


def _files(parts: Iterable[object]) -> dict[str, Path]:
    """Returns the files of the code behind some objects, by module, and those that the user's own code imports."""
    files: dict[str, Path] = {}
    waiting = list(_modules(parts))
    while waiting and len(files) < MOST_FILES:
        module = waiting.pop()
        path = _file(module)
        if path is None or module.__name__ in files:
            continue
        files[module.__name__] = path
        if not _is_installed(path):
            waiting += [other for other in _imported(module) if (file := _file(other)) and not _is_installed(file)]
    return files


def packages_of(*parts: nn.Module) -> dict[str, str]:
    """Returns the versions of the installed packages that a model and a loss come from, except torch's."""
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


def _modules(parts: Iterable[object]) -> Iterator[ModuleType]:
    """Yields the Python modules outside dltrain that define these functions, or the classes of these objects, of their
    layers and of all base classes."""
    layers = [layer for part in parts for layer in (part.modules() if isinstance(part, nn.Module) else [part])]
    sources = [layer if inspect.isclass(layer) or inspect.isfunction(layer) else type(layer) for layer in layers]
    classes = {base for source in sources for base in getattr(source, "__mro__", [source])}
    for name in {cls.__module__ for cls in classes}:
        package = name.partition(".")[0]
        if package not in OWN and package not in sys.stdlib_module_names and name in sys.modules:
            yield sys.modules[name]


def _imported(module: ModuleType) -> Iterator[ModuleType]:
    """Yields the modules that a module's names come from."""
    for value in list(vars(module).values()):
        name: Any = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str) and name in sys.modules and name != module.__name__:
            yield sys.modules[name]


def _file(module: ModuleType) -> Path | None:
    if module.__name__.partition(".")[0] in (*OWN, *sys.stdlib_module_names):
        return None
    try:
        path = Path(inspect.getsourcefile(module) or "")
    except TypeError:  # a built-in module
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
