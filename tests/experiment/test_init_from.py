"""`init_from=RUN`: what a run takes from another one, what it says of it, and what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from dltrain.runs.folder import RunDir
from dltrain.training.checkpoint import load_weights, pointed

NO_STEPS = "optimizer.lr=1e-30"
SHORT = ("trainer.epochs=1", "baseline=none", "trainer.threads=1")
IMAGES = ("data=images", "data.path=photos", "data.val_fraction=0.2", "data.test_fraction=0.2", *SHORT)


def weights_of(run: Path | str) -> dict[str, torch.Tensor]:
    return load_weights(pointed(RunDir(run).checkpoints, "best"))


@pytest.fixture
def place(tmp_path: Path, image_run: Path, image_folder: Path) -> Path:
    """The working directory of a command: `first`, a run that tells dark from light at 8×8, and `photos` like its."""
    shutil.copytree(image_run, tmp_path / "first")
    shutil.copytree(image_folder, tmp_path / "photos")
    return tmp_path


def rename(folder: Path, **names: str) -> None:
    for old, new in names.items():
        (folder / old).rename(folder / new)


def add_class(folder: Path) -> None:
    random = np.random.default_rng(1)
    (folder / "noise").mkdir()
    for number in range(10):
        Image.fromarray(random.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(folder / "noise" / f"{number}.png")


def test_the_same_model_and_classes_take_everything(place: Path, dltrain: Callable) -> None:
    called = dltrain("model=cnn", *IMAGES, "init_from=first", NO_STEPS, "hydra.run.dir=second")
    assert called.code == 0, called.err
    before, after = weights_of("first"), weights_of("second")
    parameters = [name for name in before if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))]
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in parameters)
    assert f"start   {len(before)} of {len(before)} tensors of first" in called.out
    first, second = RunDir("first").read_facts(), RunDir("second").read_facts()
    assert second.input_shape == (3, 8, 8)  # as in the run, not 64
    assert second.preprocessing == first.preprocessing


@pytest.mark.parametrize("classes", ["others", "more"])
def test_other_classes_get_a_new_head_and_that_is_said(place: Path, dltrain: Callable, classes: str) -> None:
    if classes == "more":
        add_class(place / "photos")
    else:
        rename(place / "photos", dark="cats", light="dogs")  # as many outputs of another meaning
    called = dltrain("model=cnn", *IMAGES, "init_from=first", NO_STEPS, "hydra.run.dir=second", "seed=7")
    assert called.code == 0, called.err
    before, after = weights_of("first"), weights_of("second")
    assert torch.allclose(before["stages.0.weight"], after["stages.0.weight"], atol=1e-6)
    head = sorted((name for name in before if name.startswith("head.")), reverse=True)
    new = "dark, light, noise" if classes == "more" else "cats, dogs"
    assert f"not taken, and new for {new}, not dark, light: {', '.join(head)}" in called.out
    assert before[head[0]].shape != after[head[0]].shape or not torch.allclose(before[head[0]], after[head[0]])


def test_several_networks_begin_with_those_of_one_and_one_with_the_first(place: Path, dltrain: Callable) -> None:
    called = dltrain("model=cnn", "model.members=2", *IMAGES, "init_from=first", NO_STEPS, "hydra.run.dir=second")
    assert called.code == 0, called.err
    before, after = weights_of("first"), weights_of("second")
    assert f"start   {2 * len(before)} of {2 * len(before)} tensors of first" in called.out
    for number in range(2):
        assert torch.allclose(before["stages.0.weight"], after[f"models.{number}.stages.0.weight"], atol=1e-6)
    called = dltrain("model=cnn", *IMAGES, "init_from=second", NO_STEPS, "hydra.run.dir=third")
    assert called.code == 0, called.err
    assert torch.allclose(before["stages.0.weight"], weights_of("third")["stages.0.weight"], atol=1e-6)


def test_a_trained_first_layer_stays_as_it_is_and_a_whitening_one_can_be_trained(
    place: Path, dltrain: Callable
) -> None:
    whitened = ("model=cnn", "model.whiten=true", *IMAGES)
    called = dltrain(*whitened, "init_from=first", "hydra.run.dir=second")
    assert called.code == 0, called.err
    assert "the first layer is that of the earlier run and is not trained" in called.out
    before, after = weights_of("first"), weights_of("second")
    assert torch.equal(before["stages.0.weight"], after["stages.0.weight"])
    assert not torch.equal(before["stages.4.weight"], after["stages.4.weight"])
    called = dltrain(*whitened, "init_from=second", "hydra.run.dir=third")
    assert "not taken" not in called.out
    assert torch.equal(weights_of("third")["stages.0.weight"], after["stages.0.weight"])
    called = dltrain("model=cnn", *IMAGES, "init_from=second", "hydra.run.dir=fourth")
    assert called.code == 0, called.err
    assert not torch.equal(weights_of("fourth")["stages.0.weight"], after["stages.0.weight"])
    assert "not taken, and new: head." in called.out


def test_a_new_hidden_layer_in_the_head_is_no_other_model(place: Path, dltrain: Callable) -> None:
    called = dltrain("model=cnn", *IMAGES, "init_from=first", "model.hidden=[16]", "hydra.run.dir=second")
    assert called.code == 0, called.err
    assert "not taken, and new: head." in called.out


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("model=cnn", "model.channels=[16,64]", *IMAGES), "has another model: its stages.0.weight is (32, 3, 3, 3)"),
        (("model=resnet", *IMAGES), "has another model"),
        (("model=cnn", "data.channels=1", *IMAGES), "its images have 3 channels, and these 1"),
        (("model=mlp", "data=iris", *SHORT), "was trained on image data, and this is table data"),
    ],
)
def test_another_model_or_other_inputs_are_refused(
    place: Path, dltrain: Callable, overrides: tuple[str, ...], words: str
) -> None:
    called = dltrain(*overrides, "init_from=first", "hydra.run.dir=second")
    assert called.code == 2
    assert words in called.err and "init_from" in called.err
    assert not (place / "second").exists()


def test_columns_must_have_the_same_meaning(place: Path, dltrain: Callable, people_csv: Path) -> None:
    table = pd.read_csv(people_csv)
    table.to_csv("people.csv", index=False)
    table.rename(columns={"年龄": "height"}).to_csv("others.csv", index=False)
    options = ("model=mlp", "model.embed=null", "data=csv", "data.target=stays", *SHORT)
    assert dltrain(*options, "data.path=people.csv", "hydra.run.dir=table").code == 0
    called = dltrain(*options, "data.path=people.csv", "init_from=table", "hydra.run.dir=again")
    assert called.code == 0, called.err
    called = dltrain(*options, "data.path=others.csv", "init_from=table", "hydra.run.dir=other")
    assert called.code == 2
    assert "年龄" in called.err and "height" in called.err


def test_another_vocabulary_is_refused(place: Path, dltrain: Callable) -> None:
    for name, words in (("one", ("good", "bad")), ("two", ("fine", "poor"))):
        rows = [f"the {words[row % 2]} film,{('up', 'down')[row % 2]}" for row in range(40)]
        (place / f"{name}.csv").write_text("\n".join(["review,label", *rows]) + "\n")
    options = ("data=text", "data.target=label", *SHORT)
    assert dltrain(*options, "data.path=one.csv", "hydra.run.dir=words").code == 0
    called = dltrain(*options, "data.path=one.csv", "init_from=words", "hydra.run.dir=again")
    assert called.code == 0, called.err
    called = dltrain(*options, "data.path=two.csv", "init_from=words", "hydra.run.dir=other")
    assert called.code == 2
    assert "vocabulary" in called.err


def test_folders_that_are_no_runs_or_are_damaged_are_refused(place: Path, dltrain: Callable) -> None:
    refused = dltrain("model=cnn", *IMAGES, "init_from=photos")
    assert (refused.code, "photos is not the folder of a run" in refused.err) == (2, True)
    refused = dltrain("model=cnn", *IMAGES, "init_from=3")
    assert (refused.code, "init_from" in refused.err) == (2, True)
    weights = pointed(RunDir("first").checkpoints, "best") / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-4] + b"0000")
    refused = dltrain("model=cnn", *IMAGES, "init_from=first")
    assert (refused.code, "differs from its manifest" in refused.err) == (2, True)
    weights.unlink()
    (place / "elsewhere").write_bytes(content)
    weights.symlink_to(place / "elsewhere")
    refused = dltrain("model=cnn", *IMAGES, "init_from=first")
    assert (refused.code, "is a link" in refused.err) == (2, True)


def test_a_run_resumes_and_is_reproduced_after_the_first_is_gone_or_there(place: Path, dltrain: Callable) -> None:
    how = ("model=cnn", *IMAGES, "init_from=first", "scheduler=constant")
    assert dltrain(*how, "trainer.epochs=3", "hydra.run.dir=whole").code == 0
    assert dltrain(*how, "hydra.run.dir=second").code == 0
    called = dltrain("reproduce", "second")
    assert called.code == 0, called.err
    shutil.rmtree(place / "first")
    called = dltrain("resume", "second", "trainer.epochs=3")
    assert called.code == 0, called.err
    whole = weights_of("whole")
    assert all(torch.equal(tensor, whole[name]) for name, tensor in weights_of("second").items())


def test_a_run_of_a_pretrained_network_hands_on_its_trunk(place: Path, dltrain: Callable) -> None:
    network = ("model=pretrained", "model.name=shufflenet_v2_x0_5", "trainer.batch_size=4")
    called = dltrain(
        *network, "model.weights=none", "model.freeze=none", *IMAGES, "data.size=32", "hydra.run.dir=trunk"
    )
    assert called.code == 0, called.err
    rename(place / "photos", dark="cats", light="dogs")
    called = dltrain(*network, *IMAGES, "init_from=trunk", "hydra.run.dir=head")
    assert called.code == 0, called.err
    before, after = weights_of("trunk"), weights_of("head")
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("trunk."))
    assert "not taken, and new for cats, dogs, not dark, light: head.2.weight, head.2.bias" in called.out
    assert RunDir("head").read_facts().input_shape == (3, 32, 32)
