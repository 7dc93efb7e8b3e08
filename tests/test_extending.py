"""docs/extending.md, done as it says: every block is a file, every command is run, in a folder outside the project."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
QUICK = ("trainer.threads=1", "trainer.batch_size=16", "baseline=none", "--quiet")


@pytest.fixture
def extended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the table and the recordings that the page speaks of, and no trace of it left afterwards."""
    random = np.random.default_rng(0)
    rows = ["size,colour,price,sold"]
    for _ in range(120):
        size, colour = random.uniform(1, 9), random.choice(["red", "blue"])
        rows.append(f"{size:.2f},{colour},{3 * size + (colour == 'red'):.2f},{random.poisson(size)}")
    (tmp_path / "shop.csv").write_text("\n".join(rows) + "\n")
    for sound, speed in (("high", 0.9), ("low", 0.2)):
        (tmp_path / "sounds" / sound).mkdir(parents=True)
        for number in range(12):
            wave = np.sin(speed * np.arange(40) + random.uniform(0, 6))
            np.save(tmp_path / "sounds" / sound / f"{number}.npy", wave)
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("section", SECTIONS)
def test_what_the_page_says_works_as_it_stands(section: str, extended: Path, dltrain: Callable) -> None:
    commands = 0
    for language, content in BLOCK.findall(SECTIONS[section]):
        if language == "console":
            for line in content.splitlines():
                words = shlex.split(line.removeprefix("$ dltrain "))
                training = words[0] not in ("predict", "evaluate", "export", "report", "resume")
                called = dltrain(*words, *(QUICK if training else ()))
                assert called.code == 0, (line, called.err)
                commands += 1
            continue
        name, _, rest = content.partition("\n")
        path = extended / name.removeprefix("# ").strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if language == "python" else rest, encoding="utf-8")
    assert commands
