"""What tests share: one thread, and the command line called in an empty folder."""

from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dltrain import train
from dltrain.cli.main import main
from dltrain.data.samples.animals import draw_animals
from dltrain.drawing import style
from dltrain.kinds.corpus import sampling
from dltrain.report import comparison, plots
from dltrain.runs.folder import RunDir


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    logging.getLogger("dltrain").handlers.clear()


@pytest.fixture(scope="session", autouse=True)
def _unrendered_plots() -> Iterator[None]:
    """Draws every plot, and saves one pixel of it: to render them takes longer than to train a small run."""
    pixel = BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG")
    with pytest.MonkeyPatch.context() as patch:
        for module in (plots, comparison):
            patch.setattr(module, "to_png", lambda *_, **__: pixel.getvalue())
        yield


@pytest.fixture
def rendered_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renders the plots of this test, with fewer pixels than a reader would want."""
    monkeypatch.setattr(style, "DPI", 40)
    for module in (plots, comparison):
        monkeypatch.setattr(module, "to_png", style.to_png)


@pytest.fixture
def short_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a language model write eight tokens after an epoch, since each of them takes a forward pass."""
    monkeypatch.setattr(sampling, "SAMPLE_TOKENS", dict.fromkeys(sampling.SAMPLE_TOKENS, 8))


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
    monkeypatch.setattr(sys, "path", [*sys.path])  # to which dltrain adds the folder, for modules of the user's own

    def call(*arguments: str) -> Called:
        code = main(arguments)
        said = capsys.readouterr()
        return Called(code, said.out, said.err, tmp_path)

    return call


@pytest.fixture(scope="session")
def people_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 120 invented people, whose `stays` mostly follows from age and city; one header is Chinese."""
    random = np.random.default_rng(0)
    lines = ["number,年龄,city,pay,stays"]
    for row in range(120):
        age, city = int(random.integers(20, 60)), str(random.choice(["Ulm", "Bonn", "Kiel"]))
        pay = "" if row % 17 == 3 else f"{age * 10 + random.normal(0, 30):.1f}"
        stays = "yes" if age + 10 * (city == "Ulm") + random.normal(0, 4) > 42 else "no"
        lines.append(f"{1000 + 7 * (row % 50)},{age},{city},{pay},{stays}")
    path = tmp_path_factory.mktemp("people") / "people.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def people_run(people_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that tells who stays; its data is gone by the path that its config names."""
    return trained(people_csv, tmp_path_factory, "model=mlp", "data=csv", "data.target=stays", "trainer.epochs=3")


@pytest.fixture(scope="session")
def pay_run(people_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `people_run`, of a number."""
    return trained(people_csv, tmp_path_factory, "model=mlp", "data=csv", "data.target=pay", "trainer.epochs=3")


@pytest.fixture(scope="session")
def drawn_animals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few of the images that data=animals draws where it finds none."""
    folder = tmp_path_factory.mktemp("drawn") / "animals"
    draw_animals(folder, per_class=12)
    return folder


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty images in two folders, dark ones and light ones."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for label, low in (("dark", 0), ("light", 120)):
        (folder / label).mkdir()
        for number in range(10):
            pixels = random.integers(low, low + 120, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def image_run(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that tells dark images from light ones."""
    overrides = ("model=cnn", "data=images", "data.size=8", "trainer.epochs=2")
    return trained(image_folder, tmp_path_factory, *overrides, "data.val_fraction=0.2", "data.test_fraction=0.2")


def trained(source: Path, folders: pytest.TempPathFactory, *overrides: str) -> Path:
    """Trains on a copy of the data that is then deleted; returns the run folder."""
    torch.set_num_threads(1)
    here, folder = Path.cwd(), folders.mktemp("trained")
    copy = folder / source.name
    os.chdir(folder)
    try:
        shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
        train(*overrides, f"data.path={copy}", "baseline=none", f"hydra.run.dir={folder / 'run'}", quiet=True)
        shutil.rmtree(copy) if source.is_dir() else copy.unlink()
    finally:
        os.chdir(here)
    return folder / "run"


@pytest.fixture
def known_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`data/` with tiny files in the formats of mnist, fashion_mnist and cifar10: 200 training and 40 test images,
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
