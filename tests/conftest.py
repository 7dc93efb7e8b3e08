"""What tests share: one thread, and the command line called in an empty folder."""

from __future__ import annotations

import json
import logging
import pickle
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
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


@pytest.fixture
def known_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`data/` with tiny files in the formats of mnist, fashion_mnist and cifar10: 200 training and 40 test pictures,
    whose brightness is their class's."""
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import calculate_md5

    root = tmp_path / "data"
    rng = np.random.default_rng(0)
    for folder in ("MNIST/raw", "FashionMNIST/raw"):
        (root / folder).mkdir(parents=True)
        for name, count in (("train", 200), ("t10k", 40)):
            labels = np.arange(count, dtype=np.uint8) % 10
            pixels = (labels[:, None, None] * 25 + rng.integers(0, 6, (count, 28, 28))).astype(np.uint8)
            header = struct.pack(">4i", 2051, count, 28, 28)
            (root / folder / f"{name}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
            (root / folder / f"{name}-labels-idx1-ubyte").write_bytes(
                struct.pack(">2i", 2049, count) + labels.tobytes()
            )
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    digests = {}
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        labels = np.arange(40) % 10
        pixels = np.repeat((labels * 25)[:, None], 3072, axis=1).astype(np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": labels.tolist()}))
        digests[name] = calculate_md5(str(folder / name))
    names = [f"thing {number}" for number in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    monkeypatch.setattr(CIFAR10, "train_list", [(name, digests[name]) for name in digests if name != "test_batch"])
    monkeypatch.setattr(CIFAR10, "test_list", [("test_batch", digests["test_batch"])])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": calculate_md5(str(folder / "batches.meta"))})
    return root
