"""Lower floors never import higher ones, and Hydra stays upstairs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "dltrain"
FLOORS = {
    room: floor
    for floor, rooms in enumerate(
        (
            "types errors redaction rundir claiming history signals faults",
            "data models metrics losses tasks baselines verdict",
            "training explain",
            "signatures overrides configs compose changes resolve sources build prediction_files writing results "
            "runs report sweeps",
            "commands job completing console training_call cli",
        )
    )
    for room in rooms.split()
}
MODULES = [path for path in sorted(SOURCE.rglob("*.py")) if path.name not in ("__init__.py", "__main__.py")]


def room(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_a_module_imports_only_from_its_floor_or_below(path: Path) -> None:
    assert room(path) in FLOORS, "a new room needs a floor"
    for name in imported(path):
        if name.startswith("dltrain.") and name.split(".")[1] in FLOORS:
            assert FLOORS[name.split(".")[1]] <= FLOORS[room(path)], name
        if FLOORS[room(path)] < 3:
            assert name.split(".")[0] not in ("hydra", "omegaconf"), name


def test_reports_read_run_folders_alone() -> None:
    for path in (SOURCE / "report").rglob("*.py"):
        rooms = {name.split(".")[1] for name in imported(path) if name.startswith("dltrain.")}
        assert rooms <= {"report", "rundir", "errors", "metrics", "types"}
