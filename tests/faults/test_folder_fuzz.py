"""Whatever happens to a run's files, every command answers with 0 or 2 and a line a fault, never worse."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dltrain.data.samples.ratings_and_series import generate_ratings

pytestmark = pytest.mark.faults

COMMANDS = (
    ("predict", "run", "new"),
    ("evaluate", "run", "data.path=new"),
    ("report", "run"),
    ("export", "run", "--format", "safetensors"),
    ("runs", "."),
    ("compare", "run", "whole"),
    ("resume", "run"),
)
DAMAGES = int(os.environ.get("DLTRAIN_DAMAGES", 60))


def test_damaged_files_of_a_table_s_run(
    people_run: Path, people_csv: Path, dltrain: Callable, dice: random.Random
) -> None:
    shutil.copy(people_csv, "new")
    try_damages(people_run, dltrain, dice, DAMAGES)


def test_damaged_files_of_a_run_of_images(
    image_run: Path, image_folder: Path, dltrain: Callable, dice: random.Random
) -> None:
    shutil.copytree(image_folder, "new")
    try_damages(image_run, dltrain, dice, DAMAGES // 4)


def test_damaged_files_of_a_run_of_ratings(
    dltrain: Callable, dice: random.Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    generate_ratings(300, 0).to_csv("new", index=False)
    run = tmp_path_factory.mktemp("ratings") / "run"
    sizes = ("model.width=8", "trainer.epochs=1", "baseline=none", "data.split=leave_last")  # keeps what is rated
    assert dltrain("data=ratings", "data.path=new", *sizes, f"hydra.run.dir={run}").code == 0
    try_damages(run, dltrain, dice, DAMAGES // 4)


def try_damages(run: Path, dltrain: Callable, dice: random.Random, times: int) -> None:
    """Damages one file or two at a time, and calls a command."""
    names = sorted(
        path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file() and "plots" not in path.parts
    )
    shutil.copytree(run, "whole")
    worse = []
    for _ in range(times):
        shutil.rmtree("run", ignore_errors=True)
        shutil.copytree(run, "run")
        if dice.random() < 0.5:  # as older versions wrote it, which did not say what predictions rest on
            result = json.loads(Path("run/result.json").read_text("utf-8"))
            del result["basis"]
            Path("run/result.json").write_text(json.dumps(result), "utf-8")
        done = [damage(Path("run"), dice.choice(names), names, dice) for _ in range(dice.choice((1, 1, 2)))]
        command = dice.choice(COMMANDS)
        called = dltrain(*command)
        lines = called.err.strip().splitlines()
        if (
            called.code not in (0, 2)
            or "Traceback" in called.err
            or (called.code == 2 and "dltrain: error:" not in lines[-1])
        ):
            worse.append(f"{' '.join(command)} after {done}: {called.code} {called.err[-300:]}")
    assert not worse, "\n".join(worse)


def damage(run: Path, name: str, names: list[str], dice: random.Random) -> str:
    """Changes a file as disks, editors and people do; says how."""
    path = run / name
    content = bytearray(path.read_bytes()) if path.exists() else bytearray()
    kind = dice.choice(("flip", "truncate", "empty", "delete", "swap", "append", "cell"))
    if kind == "flip" and content:
        for _ in range(dice.choice((1, 3, 30))):
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    elif kind == "truncate":
        del content[dice.randrange(len(content) + 1) :]
    elif kind == "empty":
        content.clear()
    elif kind == "append":
        content += dice.randbytes(dice.randrange(1, 50))
    elif kind == "cell":  # a word or a number becomes another
        words = bytes(content).split(b",")
        words[dice.randrange(len(words))] = dice.choice(
            (b"", b"null", b"-1", b"1e999", b"nan", b'"x"', b"[]", b"{}", b"99999999999")
        )
        content = bytearray(b",".join(words))
    if kind == "delete":
        path.unlink(missing_ok=True)
    elif kind == "swap":
        other = dice.choice(names)
        if (run / other).exists():
            path.write_bytes((run / other).read_bytes())
        return f"{name} = {other}"
    else:
        path.write_bytes(content)
    return f"{kind} {name}"
