"""Columns of a table that join the images in one model."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from dltrain.errors import DataError
from dltrain.kinds.image.load import images
from dltrain.storage import digest

COUNT = 160
USE = ("data=images", "data.path=photos", "data.labels=labels.csv", "data.target=ill", "data.size=8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Bright and dark images from two sites: at one site the bright ones are ill, at the other the dark ones."""
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    lines = ["image,site,age,one,ill"]
    for number in range(COUNT):
        bright, north = random.integers(0, 2, 2)
        pixels = random.integers(0, 60, (8, 8, 3)) + 150 * bright
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / f"p{number}.png")
        site, ill = ("south", "north")[north], ("no", "yes")[int(bright != north)]
        lines.append(f"p{number},{site},{random.integers(20, 80)},1,{ill}")
    (tmp_path / "photos" / "labels.csv").write_text("\n".join(lines))
    return tmp_path / "photos"


def test_columns_are_encoded_beside_the_images(folder: Path) -> None:
    data = images(path=str(folder), labels="labels.csv", target="ill", use=["site", "age"], size=8)
    pixels, columns = data.splits["train"].inputs
    assert pixels.shape[1:] == (3, 8, 8)
    assert len(columns) == len(pixels)
    assert abs(float(columns[:, -1].mean())) < 0.2  # the age, scaled
    assert {"site joins the images as categorical", "age joins the images as numeric"} <= set(data.notes)


def test_what_cannot_be_used_is_refused(folder: Path) -> None:
    for name, what in (("sites", "no column 'sites'"), ("one", "'one' cannot be used")):
        with pytest.raises(DataError, match=what) as refused:
            images(path=str(folder), labels="labels.csv", target="ill", use=["age", name])
        assert refused.value.override == {"sites": "data.use=[age,site]", "one": "data.use=[age]"}[name]


def test_images_and_columns_decide_together(dltrain: Callable, folder: Path, tmp_path: Path) -> None:
    called = dltrain("model=mlp", *USE, "data.use=[site,age]", "trainer.epochs=30", "hydra.run.dir=run")
    assert called.code == 0, called.err
    accuracy = called.result["test"]["accuracy"]
    assert accuracy > 0.85  # either alone decides nothing
    assert "MLP" in called.out
    stored = {row["id"]: row for row in csv.DictReader(io.StringIO((tmp_path / "run" / "predictions.csv").read_text()))}
    predicted = dltrain("predict", "run", "photos/labels.csv")
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(predicted.out))}
    assert len(rows) == COUNT
    for name, row in stored.items():
        assert float(rows[name]["score_yes"]) == pytest.approx(float(row["score_yes"]), abs=1e-5)
    own = json.loads(dltrain("evaluate", "run", "--json").out)
    assert own["metrics"]["accuracy"] == pytest.approx(accuracy)
    alone = dltrain("predict", "run", "photos/p0.png")
    assert alone.code == 2
    assert "the model also takes site, age of each image" in alone.err
    (folder / "part.csv").write_text("image,age\np1,30\n")
    assert "no column site" in dltrain("predict", "run", "photos/part.csv").out
    assert dltrain("export", "run", "--format", "torch-export").code == 0
    assert "table_of_images.csv" in (tmp_path / "run" / "report.html").read_text("utf-8")


def rename_part(run: Path, now: str, before: str) -> None:
    """Gives a part of the model in all checkpoints of a run the name that an older version called it by."""

    def renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        assert any(name.startswith(f"{now}.") for name in tensors)
        return {re.sub(rf"^{now}\.", f"{before}.", name): tensor for name, tensor in tensors.items()}

    for folder in run.glob("checkpoints/step-*"):
        weights, training = folder / "model.safetensors", folder / "state.pt"
        save_file(renamed(load_file(weights)), weights)
        if training.exists():
            state = torch.load(training, weights_only=True)
            torch.save(state | {"model": state["model"] and renamed(state["model"])}, training)
        manifest = json.loads((folder / "manifest.json").read_text())
        for name in manifest["files"]:
            manifest["files"][name] = {"bytes": (folder / name).stat().st_size, "sha256": digest(folder / name)}
        (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("average", ["null", "0.9"])
def test_runs_from_before_a_part_was_renamed_predict_and_train_on(
    dltrain: Callable, folder: Path, tmp_path: Path, average: str
) -> None:
    overrides = ("model=mlp", *USE, "data.use=[site,age]", "augment=none", f"trainer.ema={average}")
    assert dltrain(*overrides, "trainer.epochs=2", "hydra.run.dir=run").code == 0
    expected = dltrain("predict", "run", "photos/labels.csv").out
    rename_part(tmp_path / "run", "samples", "images")
    assert dltrain("predict", "run", "photos/labels.csv").out == expected
    called = dltrain("resume", "run", "trainer.epochs=3")
    assert called.code == 0, called.err
    started = dltrain(*overrides, "trainer.epochs=1", "init_from=run", "hydra.run.dir=other")
    assert started.code == 0, started.err
