"""Real processes of dltrain, to be killed; and what of a run must be the same whatever happened to it."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from dltrain.runs.folder import RunDir
from dltrain.training.checkpoint import STATE, load_weights, pointed, verify

CLOCKS = ("seconds", "train_seconds")


@dataclass(frozen=True)
class Child:
    """A process of dltrain that was started."""

    server: subprocess.Popen[str]
    number: int
    log: Path

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to it and all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.number, how)

    def wait(self) -> int:
        """Its exit code, or the negative number of the signal that ended it."""
        return os.waitstatus_to_exitcode(ask(self.server, {"wait": self.number}))

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8")


def ask(server: subprocess.Popen[str], what: dict[str, Any]) -> int:
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(json.dumps(what) + "\n")
    server.stdin.flush()
    return int(server.stdout.readline())


@dataclass(frozen=True)
class Starter:
    """Starts dltrain in a folder."""

    server: subprocess.Popen[str]
    folder: Path

    def __call__(self, *arguments: str, **environment: str) -> Child:
        log = self.folder / "said.txt"
        asked = {"start": list(arguments), "folder": str(self.folder), "log": str(log), "environment": environment}
        return Child(self.server, ask(self.server, asked), log)


@pytest.fixture(scope="session")
def server() -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def start(server: subprocess.Popen[str], tmp_path: Path) -> Starter:
    return Starter(server, tmp_path)


@pytest.fixture
def dice() -> random.Random:
    """Where the moments come from; the seed is printed, and DLTRAIN_FAULT_SEED repeats it."""
    seed = int(os.environ.get("DLTRAIN_FAULT_SEED", time.time_ns() % 1_000_000))
    print(f"DLTRAIN_FAULT_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def small_run() -> tuple[str, ...]:
    """A run of two seconds or so that saves all the time, and has something of everything that is saved."""
    return (
        *("model=mlp", "model.hidden=[48]", "model.embed=null", "data=regression", "data.rows=3000", "baseline=none"),
        *("trainer.epochs=4", "trainer.batch_size=16", "trainer.ema=0.9", "scheduler=one_cycle", "trainer.device=cpu"),
        *("trainer.save_minutes=0.0002", "trainer.patience=null"),
    )


@pytest.fixture(scope="session")
def expected(
    server: subprocess.Popen[str], small_run: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What that run leaves where nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    child = Starter(server, folder)(*small_run, "hydra.run.dir=run")
    assert child.wait() == 0, child.said
    return bits_of(RunDir(folder / "run"))


def wait_for(path: Path, lines: int = 0) -> None:
    """Waits until a file is there, with so many lines."""
    deadline = time.monotonic() + 300
    while not path.exists() or len(path.read_bytes().splitlines()) < lines:
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.002)


@pytest.fixture(scope="session")
def appeared() -> Callable[..., None]:
    return wait_for


@pytest.fixture(scope="session")
def fingerprint() -> Callable[[RunDir], dict[str, str]]:
    return bits_of


def bits_of(run: RunDir) -> dict[str, str]:
    """What must be the same bits: the history but for its clocks, and all of the last and the best checkpoint."""
    with run.history.open(newline="", encoding="utf-8") as file:
        history = [{name: cell for name, cell in row.items() if name not in CLOCKS} for row in csv.DictReader(file)]
    last, best = pointed(run.checkpoints, "last"), pointed(run.checkpoints, "best")
    state = torch.load(last / STATE, weights_only=True)
    state.pop("seconds")
    if state["running"] is not None:
        state["running"].pop("seconds")
    parts = {"history": history, "weights": load_weights(last), "best": load_weights(best), **state}
    parts["manifests"] = [(verify(folder)["step"], verify(folder)["epoch"]) for folder in (last, best)]
    return {name: digest(part) for name, part in parts.items()}


def digest(value: Any) -> str:
    """SHA-256 of nested tensors and primitives."""
    hashed = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, torch.Tensor):
            hashed.update(f"{part.dtype}{tuple(part.shape)}".encode())
            hashed.update(part.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        elif isinstance(part, dict):
            for key in sorted(part, key=str):
                hashed.update(repr(key).encode())
                add(part[key])
        elif isinstance(part, list | tuple):
            for item in part:
                add(item)
        else:
            hashed.update(repr(part).encode())
        hashed.update(b"|")

    add(value)
    return hashed.hexdigest()
