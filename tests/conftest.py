"""What tests share: one thread, and the command line called in an empty folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from dltrain.cli import main
from dltrain.rundir import RunDir


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    logging.getLogger("dltrain").handlers.clear()


@dataclass(frozen=True)
class Called:
    """What a command left: its exit code, what it said, and the folder it ran in."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def runs(self) -> list[RunDir]:
        """Every run below the folder, in order."""
        return [RunDir(path.parent) for path in sorted(self.folder.rglob("status.json"))]

    @property
    def run(self) -> RunDir:
        (run,) = self.runs
        return run

    @property
    def result(self) -> dict[str, Any]:
        """The only run's result.json."""
        return dict(json.loads(self.run.result.read_text("utf-8")))


@pytest.fixture
def dltrain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Called]:
    """Calls the command line as a user would, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Called:
        code = main(arguments)
        said = capsys.readouterr()
        return Called(code, said.out, said.err, tmp_path)

    return call
