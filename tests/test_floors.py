"""A package imports from itself and from those below it, and Hydra stays at the top."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "dltrain"
# From the ground up. tasks/registry.py and kinds/kind.py name what stands above or beside them as text alone.
FLOORS = """
    errors types
    storage memory workers
    config
    data
    runs
    loggers
    drawing
    tasks
    models
    training
    explain
    kinds
    report
    experiment
    inference watch
    api cli
"""
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS.splitlines()) for room in rooms.split()}
MODULES = [path for path in sorted(SOURCE.rglob("*.py")) if path.name not in ("__init__.py", "__main__.py")]
HYDRA = {"config", "experiment", "cli", "api"}


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """What a module imports when it runs, in its functions too; what it names for types alone does not count."""
    return {name for node in running(ast.parse(path.read_text("utf-8"))) for name in names_of(node)}


def running(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from running(child)


def names_of(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports name the whole path"
        return {f"{node.module}.{alias.name}" for alias in node.names}
    return set()


def rooms_imported(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(path) if name.startswith("dltrain.")} & set(FLOOR)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_a_module_imports_only_from_its_own_package_and_those_below(path: Path) -> None:
    room = room_of(path)
    assert room in FLOOR, "a new package needs a floor"
    assert {other for other in rooms_imported(path) if FLOOR[other] > FLOOR[room]} == set()


def test_hydra_stays_at_the_top() -> None:
    for path in MODULES:
        if room_of(path) not in HYDRA:
            packages = {name.split(".")[0] for name in imported(path)} & {"hydra", "omegaconf"}
            assert packages <= ({"omegaconf"} if path == SOURCE / "runs" / "config.py" else set()), path


def test_every_package_has_a_floor_and_loose_files_are_few() -> None:
    packages = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    loose = {path.stem for path in SOURCE.glob("*.py")}
    assert packages | loose == set(FLOOR) | {"__init__", "__main__"}
    assert len(loose) <= 8


def test_reports_read_run_folders_alone() -> None:
    for path in (SOURCE / "report").rglob("*.py"):
        below = {"kinds", "tasks", "drawing", "runs", "config", "storage", "memory", "workers", "errors", "types"}
        assert rooms_imported(path) <= below | {"report"}
