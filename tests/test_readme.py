"""The README's commands do what it says."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.split("#")[0].strip() for kind, block in BLOCKS if kind == "sh" for line in block.splitlines() if line.strip()
]
SHORT = {
    "debug": "debug=smoke",
    "baseline": "baseline=none",
    "trainer.limit_batches": "trainer.limit_batches=1",
    "trainer.batch_size": "trainer.batch_size=8",
}


@pytest.fixture
def animals(tmp_path: Path, drawn_animals: Path) -> None:
    """Pictures for data=animals, where the command would draw them."""
    shutil.copytree(drawn_animals, tmp_path / "data" / "animals")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(command: str, dltrain: Callable, animals: None, short_samples: None) -> None:
    program, *arguments = shlex.split(command)
    assert program == "dltrain"
    keys = {argument.partition("=")[0] for argument in arguments}
    called = dltrain(*arguments, *(override for key, override in SHORT.items() if key not in keys))
    assert called.code == 0, called.err
    assert any(run.report.exists() for run in called.runs)


def test_the_error_is_the_one_that_is_shown(dltrain: Callable) -> None:
    (shown,) = re.findall(r"^\$ (dltrain [^\n]*)\n(dltrain: error: [^\n]*)", README, re.MULTILINE)
    assert dltrain(*shlex.split(shown[0])[1:]).err.strip() == shown[1]


def test_the_model_of_ones_own_works_as_written(dltrain: Callable, tmp_path: Path) -> None:
    code = next(block for kind, block in BLOCKS if kind == "python" and "class " in block)
    config = next(block for kind, block in BLOCKS if kind == "yaml")
    (tmp_path / "mine.py").write_text(code)
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "tiny.yaml").write_text(config)
    called = dltrain("model=tiny", "data=iris", "model.width=32", "debug=smoke")
    assert called.code == 0, called.err


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    documented = re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE)
    assert set(targets) - {"help"} <= set(documented)
    for command in re.findall(r"make (\w+)", README):
        assert command in targets


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = next(block for kind, block in BLOCKS if kind == "python" and "dltrain.train" in block)
    exec(compile(code, "README.md", "exec"), {})
