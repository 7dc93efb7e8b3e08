"""Images in arrays: as MedMNIST, Keras and MNIST have them."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dltrain.errors import DataError
from dltrain.kinds.image.load import images
from dltrain.types import Data


def drawn(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images of 10×10 pixels whose grey is 80 times their label, and labels 0 to 2."""
    labels = np.random.default_rng(seed).permutation(np.arange(count) % 3).astype(np.uint8)
    return np.tile((80 * labels)[:, None, None], (1, 10, 10)), labels


def load(path: Path, **options: Any) -> Data:
    return images(path=str(path), **({"size": 10} | options))


def assert_labelled(data: Data, **sizes: int) -> None:
    assert {name: len(split) for name, split in data.splits.items()} == sizes
    assert data.facts.classes == ("0", "1", "2")
    for split in data.splits.values():
        assert (split.inputs[0].flatten(1).float().mean(1) == 80 * split.target).all()


def test_medmnist_has_its_splits_and_labels_of_one_column(tmp_path: Path) -> None:
    (x, y), (x_val, y_val), (x_test, y_test) = drawn(60), drawn(20, 1), drawn(10, 2)
    arrays = {"train_images": x, "train_labels": y[:, None], "val_images": x_val, "val_labels": y_val[:, None]}
    np.savez(tmp_path / "med.npz", **arrays, test_images=x_test, test_labels=y_test[:, None])
    data = load(tmp_path / "med.npz")
    assert_labelled(data, train=60, val=20, test=10)
    assert data.splits["test"].ids[0] == "test/0"
    assert data.facts.input_shape == (1, 10, 10)
    larger = load(tmp_path / "med.npz", size=20)
    assert "enlarged to 20 pixels; data.size=10 trains faster" in larger.notes


def test_keras_cuts_validation_from_train(tmp_path: Path) -> None:
    (x, y), (x_test, y_test) = drawn(60), drawn(10, 2)
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    assert_labelled(load(tmp_path / "mnist.npz"), train=54, val=6, test=10)


@pytest.mark.parametrize("shape", ["(N, H, W)", "(N, H, W, 3)", "(N, 3, H, W)", "(N, 1, H, W)"])
def test_arrays_have_colours_first_or_last(tmp_path: Path, shape: str) -> None:
    x, y = drawn(60)
    forms = {"(N, H, W)": x, "(N, H, W, 3)": np.stack([x] * 3, 3), "(N, 3, H, W)": np.stack([x] * 3, 1)}
    np.savez(tmp_path / "a.npz", X=forms.get(shape, x[:, None]), y=y)
    data = load(tmp_path / "a.npz")
    assert_labelled(data, train=45, val=6, test=9)
    assert data.facts.input_shape == (3 if "3" in shape else 1, 10, 10)


def test_several_labels_one_hot_classes_and_numbers(tmp_path: Path) -> None:
    x, y = drawn(60)
    np.savez(tmp_path / "hot.npz", images=x, labels=np.eye(3, dtype=np.uint8)[y])
    assert_labelled(load(tmp_path / "hot.npz"), train=45, val=6, test=9)
    np.savez(tmp_path / "several.npz", images=x, labels=np.stack([y > 0, y > 1], 1).astype(np.uint8))
    several = load(tmp_path / "several.npz")
    assert (several.facts.task, several.facts.outputs) == ("multilabel", ("label_0", "label_1"))
    np.savez(tmp_path / "number.npz", images=x, labels=y * 1.5 + np.arange(60) / 100)
    assert load(tmp_path / "number.npz").facts.task == "regression"
    np.savez(tmp_path / "word.npz", images=x, labels=np.array(["a", "b", "c"])[y])
    assert load(tmp_path / "word.npz").facts.classes == ("a", "b", "c")


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    content = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_idx_files_are_found_below_a_folder(tmp_path: Path) -> None:
    for name, (x, y) in {"train": drawn(60), "t10k": drawn(10, 1)}.items():
        write_idx(tmp_path / "raw" / f"{name}-images-idx3-ubyte.gz", x)
        write_idx(tmp_path / "raw" / f"{name}-labels-idx1-ubyte", y)
    assert_labelled(load(tmp_path), train=54, val=6, test=10)


def test_images_and_labels_in_two_files(tmp_path: Path) -> None:
    x, y = drawn(60)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    assert_labelled(load(tmp_path / "x.npy", labels="y.npy"), train=45, val=6, test=9)
    with pytest.raises(DataError, match=r"holds x 60×10×10: which are the images and labels of the train split"):
        load(tmp_path / "x.npy")


@pytest.mark.parametrize("form", ["npy", "npz"])
@pytest.mark.parametrize("split", ["", "train"])
def test_files_of_an_image_each_are_named_and_may_come_in_one_file(tmp_path: Path, form: str, split: str) -> None:
    x, y = drawn(60)
    for number, (image, label) in enumerate(zip(x, y, strict=True)):
        folder = tmp_path / "set" / split / f"kind_{label}"
        folder.mkdir(parents=True, exist_ok=True)
        (np.save if form == "npy" else np.savez)(folder / f"{number}.{form}", image)
    with pytest.raises(DataError, match=f"kind_0, kind_1, kind_2 hold 60 .{form} files with an image each") as refused:
        load(tmp_path / "set")
    assert "np.savez('images.npz', images=..., labels=...)" in refused.value.fix
    np.savez(tmp_path / "images.npz", images=x, labels=np.array([f"kind_{label}" for label in y]))
    assert load(tmp_path / "images.npz").facts.classes == ("kind_0", "kind_1", "kind_2")


def test_arrays_run_no_code_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "pickled.npz", images=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="cannot be read: Object arrays cannot be loaded"):
        load(tmp_path / "pickled.npz")
    (tmp_path / "damaged.npz").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path / "damaged.npz")


def test_new_arrays_are_predicted(dltrain: Callable, tmp_path: Path) -> None:
    x, y = drawn(60)
    np.savez(tmp_path / "a.npz", images=x, labels=y)
    np.save(tmp_path / "new.npy", x[:7])
    arguments = ("model=linear", "data=images", "data.path=a.npz", "data.size=10")
    assert dltrain(*arguments, "trainer.epochs=2", "hydra.run.dir=run").code == 0
    called = dltrain("predict", "run", "new.npy")
    assert called.code == 0, called.err
    assert [line.split(",")[0] for line in called.out.splitlines()] == ["id", *map(str, range(7))]
    np.savez(tmp_path / "new.npz", train_images=x[:50], test_images=x[50:])
    called = dltrain("predict", "run", "new.npz")
    assert len(called.out.splitlines()) == 1 + 10
    assert "of new.npz, test_images is read, and not train_images" in called.err
