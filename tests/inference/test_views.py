"""Test-time augmentation: which views an image has, and what their mean is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain import load
from dltrain.inference.views import with_views
from dltrain.kinds.image.views import View, views_of
from dltrain.types import Facts


def test_views_shift_and_mirror() -> None:
    x = torch.arange(12.0).view(1, 1, 3, 4)
    (right,) = View(right=1)((x,))
    assert right[0, 0].tolist() == [[1, 0, 1, 2], [5, 4, 5, 6], [9, 8, 9, 10]]
    (up,) = View(down=-1)((x,))
    assert up[0, 0].tolist() == [[4, 5, 6, 7], [8, 9, 10, 11], [4, 5, 6, 7]]
    (mirrored,) = View(mirror=True)((x,))
    assert mirrored[0, 0].tolist() == [[3, 2, 1, 0], [7, 6, 5, 4], [11, 10, 9, 8]]


def test_only_images_that_may_be_are_mirrored() -> None:
    letters = Facts("image", "classification", (1, 32, 48), preprocessing={"mirror": False})
    assert views_of(letters) == [View(), View(0, 3), View(0, -3), View(2, 0), View(-2, 0)]
    older = Facts("image", "classification", (1, 32, 48))
    assert views_of(older) == views_of(letters)
    dogs = Facts("image", "classification", (1, 32, 48), preprocessing={"mirror": True})
    assert views_of(dogs)[5:] == [View(view.down, view.right, True) for view in views_of(letters)]


def test_a_prediction_is_the_mean_over_the_views(
    image_run: Path, image_folder: Path, tmp_path: Path, dltrain: Callable
) -> None:
    shutil.copytree(image_run, tmp_path / "run")
    called = dltrain("predict", "run", str(image_folder / "dark"), "--tta", "-o", "seen.csv")
    assert called.code == 0, called.err
    model = load("run", device="cpu")
    encoded = model.encoder.encode(sorted((image_folder / "dark").iterdir()))
    prepared = model.encoder.prepare(encoded.inputs)
    assert len(views_of(model.facts)) == 10
    with torch.no_grad():
        shares = [model.module(*view(prepared)).softmax(1) for view in views_of(model.facts)]
    scores = pd.read_csv("seen.csv")[["score_dark", "score_light"]].to_numpy()
    assert scores == pytest.approx(torch.stack(shares).mean(0).numpy(), abs=1e-5)
    assert not np.allclose(scores, shares[0].numpy(), atol=1e-5)


def test_evaluate_measures_the_mean(image_run: Path, image_folder: Path, tmp_path: Path, dltrain: Callable) -> None:
    shutil.copytree(image_run, tmp_path / "run")
    called = dltrain("evaluate", "run", f"data.path={image_folder}", "--tta", "--json")
    assert called.code == 0, called.err
    plain = dltrain("evaluate", "run", f"data.path={image_folder}", "--json")
    losses = [json.loads(one.out)["metrics"]["loss"] for one in (called, plain)]
    assert losses[0] != pytest.approx(losses[1], rel=1e-6)


def test_what_was_learned_without_it_is_not_given_with_it(image_run: Path, dltrain: Callable) -> None:
    called = dltrain("predict", str(image_run), "x.png", "--tta", "--sets")
    assert (called.code, "learned without" in called.err) == (2, True)


def test_tables_have_one_view(people_run: Path, people_csv: Path, dltrain: Callable) -> None:
    called = dltrain("predict", str(people_run), str(people_csv), "--tta")
    assert (called.code, "is for images" in called.err) == (2, True)
    assert f"dltrain predict {people_run} {people_csv}" in called.err


def test_views_are_members_of_the_output(image_run: Path) -> None:
    model = load(image_run, device="cpu")
    views = with_views(model)
    x = torch.zeros(2, 3, 8, 8)
    assert views.module(x).shape == (2, 10, 2)
    assert model.module(x).shape == (2, 2)
