"""Images train alike whether they are in memory, in the cache on the disk, or decoded in every epoch."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from dltrain.data.loader import TensorLoader
from dltrain.errors import DataError, StorageError
from dltrain.experiment.results import fingerprint
from dltrain.kinds.image import cache, placement
from dltrain.kinds.image.checks import check_images
from dltrain.kinds.image.decoded import InFile, StoredImages
from dltrain.kinds.image.digests import TRAINED
from dltrain.kinds.image.kind import thumbnails
from dltrain.kinds.image.load import images
from dltrain.kinds.image.pixels import Decoding
from dltrain.types import Data

CPU = torch.device("cpu")
STORAGES = ("memory", "cache", "stream")


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.PLACE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


def fill(folder: Path, count: int = 40, mode: str = "RGB") -> Path:
    """Writes images of two classes, and returns their folder; of mode `mixed`, every third is grey."""
    random = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"class_{number % 2}" / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if mode == "deep":
            pixels: Any = random.integers(0, 4096, (14, 12)).astype(np.uint16)
        else:
            grey = mode == "L" or (mode == "mixed" and number % 3 == 0)
            pixels = random.integers(0, 256, (14, 12) if grey else (14, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return folder


def load(folder: Path, storage: str, **keys: Any) -> Data:
    return images(path=str(folder), storage=storage, **{"size": 8, **keys})  # type: ignore[arg-type]


def batches(data: Data, epoch: int, start: int = 0) -> list[Tensor]:
    loader = TensorLoader(data.splits["train"], 8, CPU, prepare=data.prepare, seed=3)
    loader.set_epoch(epoch, start)
    return [batch.inputs[0] for batch in loader]


@pytest.mark.parametrize("mode", ["RGB", "L", "mixed", "deep"])
def test_every_storage_gives_the_same_data(tmp_path: Path, mode: str) -> None:
    folder = fill(tmp_path / "photos", mode=mode)
    of_each = [load(folder, storage) for storage in STORAGES]
    assert [isinstance(data.splits["train"].inputs[0], Tensor) for data in of_each] == [True, False, False]
    assert len({fingerprint(data) for data in of_each}) == 1
    first, *others = of_each
    for data in others:
        assert data.facts == first.facts
        assert torch.equal(data.kept[TRAINED], first.kept[TRAINED])
        assert list(check_images(data)) == list(check_images(first))
        np.testing.assert_array_equal(thumbnails(data.splits["train"]), thumbnails(first.splits["train"]))
        for name, split in data.splits.items():
            assert torch.equal(split.inputs[0][:], first.splits[name].inputs[0][:])
            assert split.ids == first.splits[name].ids
        for epoch, start in ((0, 0), (1, 0), (1, 2)):
            given, expected = batches(data, epoch, start), batches(first, epoch, start)
            assert all(torch.equal(*pair) for pair in zip(given, expected, strict=True))


def test_a_window_and_unreadable_images_are_the_same_in_every_storage(tmp_path: Path) -> None:
    folder = fill(tmp_path / "photos")
    (folder / "class_0" / "004.png").write_bytes(b"no image")
    of_each = [load(folder, storage, on_bad="skip", window=[10, 99]) for storage in STORAGES]
    assert len({fingerprint(data) for data in of_each}) == 1
    assert all("left out 1 image that cannot be read: class_0/004.png" in data.notes for data in of_each)
    for storage in STORAGES:
        with pytest.raises(DataError, match=r"1 of 40.*004\.png"):
            load(folder, storage)
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_other_folds_of_images_in_memory_are_those_of_images_on_the_disk(tmp_path: Path) -> None:
    folder = fill(tmp_path / "photos", mode="deep")
    in_memory, on_disk = (load(folder, storage, folds=3, fold=0) for storage in ("memory", "cache"))
    assert in_memory.with_fold is not None and on_disk.with_fold is not None
    before = fingerprint(in_memory)
    assert fingerprint(in_memory.with_fold(1)) == fingerprint(on_disk.with_fold(1)) != before
    assert fingerprint(in_memory) == before == fingerprint(on_disk)


def test_training_and_resuming_have_the_same_bits_in_every_storage(dltrain: Callable[..., Any], tmp_path: Path) -> None:
    fill(tmp_path / "photos", 60)
    keys = ("model=cnn", "model.channels=[4]", "data=images", f"data.path={tmp_path / 'photos'}", "data.size=8")
    keys = (*keys, "augment=strong", "trainer.threads=1", "trainer.batch_size=16", "trainer.epochs=2", "baseline=none")
    written: dict[str, list[str]] = {"memory": [], "stream": []}
    for storage, other in (("memory", "stream"), ("stream", "memory")):
        run = tmp_path / storage
        called = dltrain(*keys, f"data.storage={storage}", f"hydra.run.dir={run}")
        assert called.code == 0, called.err
        assert ("(data.storage=stream): decoded anew" in called.out) == (storage == "stream")
        written[storage].append((run / "predictions.csv").read_text("utf-8"))
        called = dltrain("resume", str(run), "trainer.epochs=3", f"data.storage={other}")
        assert called.code == 0, called.err
        written[storage].append((run / "predictions.csv").read_text("utf-8"))
    assert written["memory"] == written["stream"]
    assert written["memory"][0] != written["memory"][1]


def test_storage_is_chosen_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path / "photos")
    size = 40 * 3 * 8 * 8
    monkeypatch.setattr(placement, "BATCH", 0)  # which would not fit either
    for available, room, expected in ((3 * size, 0, "memory"), (3 * size - 1, 10**6, "cache"), (0, 0, "stream")):
        monkeypatch.setattr(placement, "free_memory", lambda left=available: left)
        monkeypatch.setattr(cache, "room", lambda left=room: left)
        (note,) = (note for note in load(folder, "auto").notes if "40 images" in note)
        words = {"memory": "in memory", "cache": "decoded once into", "stream": "decoded anew in every epoch"}
        assert words[expected] in note
    with pytest.raises(DataError, match="do not fit into the less than 1 MiB") as refused:
        load(folder, "memory")
    assert refused.value.override == "data.storage=auto"


def decoded(folder: Path, size: int = 8) -> InFile:
    return cache.cached(sorted(folder.rglob("*.png")), Decoding(size))


def test_the_cache_is_written_once_for_the_same_contents(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path / "photos")
    first = decoded(folder)
    folder = folder.rename(tmp_path / "moved")
    monkeypatch.setattr(cache, "_write", lambda *arguments: pytest.fail("written again"))
    assert decoded(folder).path == first.path
    monkeypatch.undo()
    monkeypatch.setenv(cache.PLACE, str(cache_folder.parent))
    for number, change in enumerate(
        (lambda: decoded(folder, 9), lambda: Image.new("RGB", (9, 9), "red").save(folder / "class_0" / "000.png"))
    ):
        change()
        assert decoded(folder).path != first.path or number == 0
    assert len(list(cache_folder.iterdir())) == 3


def test_what_a_killed_run_has_left_is_removed_and_a_live_one_is_waited_for(tmp_path: Path, cache_folder: Path) -> None:
    folder = fill(tmp_path / "photos")
    first = decoded(folder)
    held = first.path.with_suffix(".partial")
    first.path.unlink()
    (cache_folder / "abandoned.partial").write_bytes(b"half")
    held.write_bytes(b"half")
    with held.open("rb") as other, ThreadPoolExecutor(1) as pool:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = pool.submit(decoded, folder)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.3)
        fcntl.flock(other, fcntl.LOCK_UN)
        assert np.array_equal(waiting.result()[3], first[3])
    assert [path.name for path in cache_folder.iterdir()] == [first.path.name]


def test_the_cache_drops_what_was_used_longest_ago_and_refuses_what_has_no_room(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path / "photos")
    old, used = decoded(folder, 8), decoded(folder, 9)
    os.utime(old.path, (1, 1))
    needed = cache.size_of(40, (3, 10, 10), np.dtype(np.uint8))
    monkeypatch.setattr(cache, "room", lambda: needed + cache._size_on_disk(used.path))
    new = decoded(folder, 10)
    assert {path.name for path in cache_folder.iterdir()} == {used.path.name, new.path.name}
    assert old[0].shape == (8, 8, 3)  # it stays readable for who has it open
    monkeypatch.setattr(cache, "room", lambda: 10)
    with pytest.raises(StorageError) as refused:
        decoded(folder, 11)
    assert refused.value.override == "data.storage=stream"


def test_a_damaged_file_of_the_cache_is_written_again_and_one_in_use_is_refused(tmp_path: Path) -> None:
    folder = fill(tmp_path / "photos")
    first = decoded(folder)
    image = first[0].copy()
    os.truncate(first.path, 2000)
    with pytest.raises(StorageError, match="shortened"):
        first.read(np.arange(40), None)
    assert np.array_equal(decoded(folder)[0], image)


def test_an_image_that_changes_between_epochs_is_refused(tmp_path: Path) -> None:
    folder = fill(tmp_path / "photos")
    data = load(folder, "stream", val_fraction=0, test_fraction=0)
    stored = data.splits["train"].inputs[0]
    assert isinstance(stored, StoredImages)
    Image.new("RGB", (9, 9), "red").save(folder / "class_0" / "006.png")
    with pytest.raises(DataError, match=r"006\.png has changed since the run began"):
        batches(data, 0)


def test_images_of_which_no_batch_fits_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path / "photos")
    monkeypatch.setattr(placement, "free_memory", lambda: 1 << 30)
    for storage in ("auto", *STORAGES):
        with pytest.raises(DataError, match=r"a batch's 16 images of 60000×60000 pixels need 643\.7 GiB") as refused:
            load(folder, storage, size=60_000)
        assert (refused.value.where, refused.value.override) == ("data.size", "data.size=64")
