"""Whether maps name the places that matter, and whether labels that may be wrong are.

    python benchmarks/explanations.py
    python benchmarks/explanations.py digits --seeds 3 --only labels

Maps are those of `model=cnn` for test images, and are judged as Petsiuk et al. (2018) do. *Deletion* replaces more and
more of an image by the mean training pixel, places with the largest values first, and *insertion* begins with nothing
but that pixel; each is the mean probability of the predicted class on the way, from 0 for an image of that pixel alone
to 1 for the whole image. Random maps are smooth, so that their places hang together as those of a map do. Of a network
with new weights, maps should differ (Adebayo et al., 2018): the correlation is that of ranks, of the same image.

For labels, three in a hundred are changed into another class, and a run of five folds names those that may be wrong.
Precision is that of the first ones in its list that hold 60 % of the changed ones.

`digits` are scikit-learn's as PNG files, `drawn` dltrain's drawn animals, `photos` those below
`$DLTRAIN_REALDATA/animals`, all of `train` and `val`, with a split at random.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

import dltrain
from dltrain.data.samples.animals import draw_animals
from dltrain.explain.attribution import attribute
from dltrain.inference.load import LoadedModel

PHOTOS = Path(os.environ.get("DLTRAIN_REALDATA", "/nowhere")).absolute() / "animals"
STEPS, RANDOM_MAPS, IMAGES, PATCH = 20, 5, 48, 4  # steps of a way, maps, images, pixels
WRONG, FOUND = 0.03, 0.6


def draw_digits(folder: Path) -> None:
    bunch = load_digits()
    for row, (image, label) in enumerate(zip(bunch.images, bunch.target, strict=True)):
        path = folder / f"digit {label}" / f"{row:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * (255 / 16)).round().astype(np.uint8)).save(path)


def copy_photos(folder: Path) -> None:
    for file in sorted(PHOTOS.glob("*/*/*.*")):
        path = folder / file.parent.name / f"{file.parent.parent.name}-{file.name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, path)


SETS: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "digits": (draw_digits, ("data.size=8", "data.mirror=false")),
    "drawn": (draw_animals, ()),
    "photos": (copy_photos, ()),
}


def train(folder: Path, seed: int, *overrides: str) -> LoadedModel:
    keys = ("model=cnn", "data=images", f"data.path={folder}", f"data.seed={seed}", f"seed={seed}", "trainer.threads=1")
    return dltrain.train(*keys, *overrides, f"hydra.run.dir={folder.parent / 'run'}", quiet=True)


def random_maps(count: int, side: tuple[int, int], seed: int) -> Tensor:
    coarse = torch.rand(count, 1, side[0] // PATCH, side[1] // PATCH, generator=torch.Generator().manual_seed(seed))
    return functional.interpolate(coarse, size=side, mode="bilinear")[:, 0]


@torch.no_grad()
def areas(model: LoadedModel, x: Tensor, places: Tensor) -> tuple[float, float]:
    """Returns the mean relative probability of the predicted class by deletion and insertion; 0 in `x` is the mean."""
    module, ranks = model.module, places.flatten(1).argsort(dim=1, descending=True).argsort(dim=1).view_as(places)
    predicted = module(x).argmax(dim=1, keepdim=True)
    deleted, inserted = [], []
    for step in range(STEPS + 1):
        first = (ranks < step / STEPS * ranks[0].numel())[:, None]
        deleted.append(module(x.masked_fill(first, 0)).softmax(dim=1).gather(1, predicted).mean())
        inserted.append(module(x.masked_fill(~first, 0)).softmax(dim=1).gather(1, predicted).mean())
    whole, nothing = deleted[0], deleted[-1]
    deletion, insertion = ((torch.stack(way).mean() - nothing) / (whole - nothing) for way in (deleted, inserted))
    return float(deletion), float(insertion)


def with_new_weights(module: nn.Module, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    other = deepcopy(module)
    for part in other.modules():
        if callable(reset := getattr(part, "reset_parameters", None)):
            reset()
    return other


def judge_maps(folder: Path, seed: int, overrides: tuple[str, ...]) -> list[float]:
    """Returns the areas of maps and of random ones, and the correlation with maps of a network with new weights."""
    model = train(folder, seed, *overrides)
    chosen = [folder / name for name in pd.read_csv(model.run.predictions).id[:IMAGES]]
    encoded = model.encoder.encode(chosen)
    assert model.encoder.prepare is not None
    (x,) = model.encoder.prepare(encoded.inputs)
    explained = (model.task.explained, encoded.inputs, model.encoder.prepare, model.device)
    places = attribute(model.module, *explained)
    others = attribute(with_new_weights(model.module, seed), *explained)
    random = [areas(model, x, random_maps(len(x), (x.shape[2], x.shape[3]), number)) for number in range(RANDOM_MAPS)]
    ranks = [
        pd.DataFrame({"map": one.flatten(), "other": two.flatten()}) for one, two in zip(places, others, strict=True)
    ]
    alike = np.mean([each.corr("spearman").iloc[0, 1] for each in ranks])
    deleted, inserted = areas(model, x, places)
    return [deleted, np.mean([each[0] for each in random]), inserted, np.mean([each[1] for each in random]), alike]


def flip(folder: Path, seed: int) -> list[str]:
    """Moves three files in a hundred into the folder of another class, and returns their names."""
    random, files = np.random.default_rng(seed), sorted(folder.glob("*/*.*"))
    classes = sorted({file.parent.name for file in files})
    names = []
    for file in random.choice(np.array(files, dtype=object), int(WRONG * len(files)), replace=False):
        others = [name for name in classes if name != file.parent.name]
        names.append(f"moved-{file.name}")
        file.rename(folder / random.choice(others) / names[-1])
    return names


def judge_labels(folder: Path, seed: int, overrides: tuple[str, ...]) -> list[float]:
    """Returns the precision at a recall of 0.6, the recall of the whole list, and how long it is."""
    changed = flip(folder, seed)
    model = train(folder, seed, *overrides, "data.test_fraction=0.1", "data.folds=5")
    listed = pd.read_csv(model.run.wrong_labels) if model.run.wrong_labels.exists() else pd.DataFrame({"id": []})
    hit = np.array([Path(name).name in changed for name in listed.id], dtype=bool)
    reached = np.cumsum(hit) / len(changed)
    enough = hit[: int((reached >= FOUND).argmax()) + 1].mean() if len(hit) and reached[-1] >= FOUND else float("nan")
    return [float(enough), float(reached[-1]) if len(hit) else 0.0, len(listed)]


def rows_of(names: list[str], seeds: int, judge: Callable[[Path, int, tuple[str, ...]], list[float]]) -> Iterator[str]:
    for name in names:
        draw, overrides = SETS[name]
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as place:
                draw(Path(place) / "images")
                values = judge(Path(place) / "images", seed, overrides)
            yield f"| {name} | {seed} | " + " | ".join(f"{value:.3g}" for value in values) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(SETS)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=["maps", "labels"])
    asked = parser.parse_args()
    names = asked.names or [name for name in SETS if name != "photos" or PHOTOS.is_dir()]
    if asked.only != "labels":
        print("| images | seed | deletion | of random maps | insertion | of random maps | correlation, new weights |")
        print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
        for row in rows_of(names, asked.seeds, judge_maps):
            print(row, flush=True)
    if asked.only != "maps":
        print("\n| images | seed | precision at a recall of 0.6 | recall of the list | its length |")
        print("| --- | --- | --- | --- | --- |", flush=True)
        for row in rows_of(names, asked.seeds, judge_labels):
            print(row, flush=True)


if __name__ == "__main__":
    main()
