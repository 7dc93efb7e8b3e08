"""How fast images reach the training, beside torchvision's ImageFolder and a DataLoader with two workers.

    python benchmarks/images_loading.py
    python benchmarks/images_loading.py --only photos --rounds 3

Both read the same folder of drawn JPEG photos, bring each to the same size, shuffle, and standardise in batches of 128.
The first epoch holds all that comes before it: listing the files, starting the workers, and in dltrain decoding into
memory, the statistics and digests. `cache` and `stream` are what dltrain does where memory is too small: the first
epoch then writes the cache. The sides take turns; medians over the rounds, in images a second. Nothing else should run
meanwhile.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from dltrain.data.loader import TensorLoader
from dltrain.kinds.image.cache import PLACE
from dltrain.kinds.image.load import images

WORKLOADS = {  # photos, their width and height, and the size that they are brought to
    "photos": (500, 500, 375, 64),
    "large": (100, 1280, 960, 224),
    "small": (2000, 64, 64, 64),
    "many": (10000, 64, 64, 64),
}
CLASSES, BATCH, WORKERS = 10, 128, 2
STORAGES = ("memory", "cache", "stream")


def draw(path: Path, number: int, width: int, height: int) -> None:
    """Draws a photo of soft colours and grain, which takes about as many bytes as a real one."""
    random = np.random.default_rng(number)
    soft = random.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    grain = random.integers(0, 40, (height // 3 + 1, width // 3 + 1), dtype=np.uint8)
    colours = Image.fromarray(soft).resize((width, height), Image.Resampling.BICUBIC)
    texture = Image.fromarray(grain).resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(colours).astype(np.int16) + np.asarray(texture)[..., None]
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def draw_all(folder: Path, count: int, width: int, height: int) -> None:
    """Draws a folder of photos, a folder a class."""
    paths = [folder / f"class_{number % CLASSES}" / f"{number:05}.jpg" for number in range(count)]
    for parent in {path.parent for path in paths}:
        parent.mkdir(parents=True)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(draw, paths, range(count), [width] * count, [height] * count, chunksize=50))


def seconds_of(prepare: Callable[[], Iterable[Any]], count: int) -> tuple[float, float]:
    """Returns the seconds of a first epoch with all before it, and of a second one."""
    sleep(0.2)  # the workers of the other side end
    began = perf_counter()
    loader = prepare()
    first = run(loader, count, began)
    return first, run(loader, count, perf_counter())


def run(loader: Iterable[Any], count: int, began: float) -> float:
    seen = sum(len(batch[0]) if isinstance(batch, list) else len(batch.target) for batch in loader)
    assert seen == count
    return perf_counter() - began


def plain(folder: Path, size: int) -> Iterable[Any]:
    """Returns torchvision's loader as its users write it."""
    change = transforms.Compose([transforms.Resize(size), transforms.CenterCrop(size), transforms.ToTensor(),
                                 transforms.Normalize((0.5,) * 3, (0.25,) * 3)])  # fmt: skip
    data = datasets.ImageFolder(folder, change)
    return DataLoader(data, BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True, prefetch_factor=4)


def ours(folder: Path, size: int, storage: str) -> Iterable[Any]:
    """Returns dltrain's loader."""
    data = images(path=str(folder), size=size, storage=storage, val_fraction=0, test_fraction=0)  # type: ignore[arg-type]
    return TensorLoader(data.splits["train"], BATCH, torch.device("cpu"), prepare=data.prepare, seed=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of workloads with commas between: " + ", ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--storages", default="memory,cache", help="with commas between: " + ", ".join(STORAGES))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    storages = asked.storages.split(",")
    print(f"{'images':30} {'loader':12} {'first epoch':>12} {'ratio':>6} {'later epochs':>13} {'ratio':>6}")
    for name, (count, width, height, size) in WORKLOADS.items():
        if asked.only and name not in asked.only.split(","):
            continue
        with tempfile.TemporaryDirectory() as place:
            folder, os.environ[PLACE] = Path(place) / "photos", str(Path(place) / "cache")
            draw_all(folder, count, width, height)
            rounds = []
            for _ in range(asked.rounds):
                both = [seconds_of(partial(plain, folder, size), count)]
                both += [seconds_of(partial(ours, folder, size, storage), count) for storage in storages]
                shutil.rmtree(os.environ[PLACE], ignore_errors=True)
                rounds.append(both)
        middle = [[median(part) for part in zip(*of_side, strict=True)] for of_side in zip(*rounds, strict=True)]
        title = f"{count:,} of {width}×{height}, at {size}"
        for side, (first, later) in zip(["torchvision", *storages], middle, strict=True):
            ratios = middle[0][0] / first, middle[0][1] / later
            speeds = f"{count / first:12,.0f} {ratios[0]:6.1f} {count / later:13,.0f} {ratios[1]:6.1f}"
            print(f"{title:30} {side:12} {speeds}", flush=True)


if __name__ == "__main__":
    main()
