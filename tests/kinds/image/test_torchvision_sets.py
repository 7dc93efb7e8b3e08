"""The known sets of images: read in their own formats, and where they cannot be had, one line says what to do."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torchvision.datasets import cifar, mnist

from dltrain.errors import DataError
from dltrain.kinds.image.torchvision_sets import torchvision_images

NAMES = ("mnist", "fashion_mnist", "cifar10")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that goes away after half a file."""

    def lose(url: str, download_root: str, **more: object) -> None:
        Path(download_root).mkdir(parents=True, exist_ok=True)
        (Path(download_root) / "half.gz").write_bytes(b"half")
        raise URLError("no network")

    for module in (mnist, cifar):
        monkeypatch.setattr(module, "download_and_extract_archive", lose)


@pytest.mark.parametrize("name", NAMES)
def test_their_own_test_split_is_the_test_split(name: str, known_sets: Path) -> None:
    data = torchvision_images(name=name, root=str(known_sets))  # type: ignore[arg-type]
    shape = (3, 32, 32) if name == "cifar10" else (1, 28, 28)
    assert data.facts.input_shape == shape
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 180, "val": 20, "test": 40}
    assert data.facts.class_counts == (18,) * 10
    for split, part in data.splits.items():
        means = part.inputs[0].float().mean(dim=(1, 2, 3))
        assert torch.equal((means / 25).int(), part.target.int()), split
        assert all(sample.startswith("test/" if split == "test" else "train/") for sample in part.ids)
    assert not set(data.splits["train"].ids) & set(data.splits["val"].ids)


def test_classes_are_named(known_sets: Path) -> None:
    names = [torchvision_images(name=name, root=str(known_sets)).facts.classes[1] for name in NAMES]  # type: ignore[arg-type]
    assert names == ["1", "Trouser", "thing 1"]


def test_rows_takes_some_of_the_training_images_alike_of_every_class(known_sets: Path) -> None:
    data = torchvision_images(name="mnist", root=str(known_sets), rows=100)
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 90, "val": 10, "test": 40}
    assert data.facts.class_counts == (9,) * 10
    assert data.notes == ("took 100 of 200 training images: data.rows=100",)
    other = torchvision_images(name="mnist", root=str(known_sets), rows=100, seed=1)
    assert set(other.splits["train"].ids) != set(data.splits["train"].ids)


@pytest.mark.parametrize("name", NAMES)
def test_without_network_one_line_says_what_to_put_where(dltrain: Callable, offline: None, name: str) -> None:
    called = dltrain("model=cnn", f"data={name}")
    assert called.code == 2
    assert called.err.count("\n") == 1
    folder = {"mnist": "data/MNIST/raw", "fashion_mnist": "data/FashionMNIST/raw"}.get(name, "data/cifar-10-batches-py")
    for words in (
        f"{name} is not in {folder}",
        "no network",
        "data.root",
        "test_batch" if name == "cifar10" else "t10k",
    ):
        assert words in called.err
    assert list(called.folder.iterdir()) == [], "nothing half is left"


def test_what_was_there_before_a_failed_download_stays(known_sets: Path, offline: None) -> None:
    (known_sets / "MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    before = sorted(known_sets.rglob("*"))
    with pytest.raises(DataError, match="incomplete"):
        torchvision_images(name="mnist", root=str(known_sets))
    assert sorted(known_sets.rglob("*")) == before


def test_a_damaged_file_is_no_traceback(known_sets: Path, offline: None) -> None:
    path = known_sets / "FashionMNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError):
        torchvision_images(name="fashion_mnist", root=str(known_sets))
    (known_sets / "cifar-10-batches-py/data_batch_3").write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    with pytest.raises(DataError, match="incomplete"):
        torchvision_images(name="cifar10", root=str(known_sets))
    assert not Path("hacked").exists()


def test_packed_files_are_unpacked(
    known_sets: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = known_sets / "MNIST/raw"
    digests = []
    for path in sorted(raw.iterdir()):
        with gzip.open(f"{path}.gz", "wb") as file:
            file.write(path.read_bytes())
        path.unlink()
        digests.append((f"{path.name}.gz", mnist.check_integrity.__globals__["calculate_md5"](f"{path}.gz")))
    monkeypatch.setattr(mnist.MNIST, "resources", digests)
    assert len(torchvision_images(name="mnist", root=str(known_sets)).splits["test"]) == 40
    assert capsys.readouterr().out == ""


def test_clothes_may_be_mirrored_and_digits_may_not(dltrain: Callable, known_sets: Path) -> None:
    for name, mirrored in (("mnist", False), ("fashion_mnist", True), ("cifar10", True)):
        shown = dltrain(f"data={name}", "--cfg", "job").out
        assert f"mirror: {str(mirrored).lower()}" in shown
    shutil.rmtree(known_sets / "MNIST")
    assert dltrain("model=linear", "data=fashion_mnist", "debug=smoke").code == 0
