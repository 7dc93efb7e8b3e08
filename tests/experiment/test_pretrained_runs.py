"""Runs of pretrained networks: what comes from the weights, what is computed once, what holds without the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import torchvision

from dltrain import load, train
from dltrain.config.compose import compose_jobs
from dltrain.experiment import features
from dltrain.experiment.build import build_optimizer
from dltrain.models.names import picked_model
from dltrain.models.pretrained import Pretrained
from dltrain.runs.folder import RunDir
from dltrain.training.checkpoint import load_weights, pointed
from dltrain.types import Spec

NETWORK = "shufflenet_v2_x0_5"
SHORT = (
    *("model=pretrained", f"model.name={NETWORK}", "model.weights=tiny.pth", "data=images", "data.path=images"),
    *("data.size=32", "data.val_fraction=0.2", "data.test_fraction=0.2", "baseline=none", "trainer.epochs=3"),
    *("trainer.threads=1", "trainer.batch_size=4", "hydra.run.dir=run"),
)


@pytest.fixture
def place(tmp_path: Path, image_folder: Path) -> Path:
    """The working directory of a command, with images and a file of random weights."""
    shutil.copytree(image_folder, tmp_path / "images")
    torch.manual_seed(5)
    torch.save(torchvision.models.get_model(NETWORK).state_dict(), tmp_path / "tiny.pth")
    return tmp_path


def weights_of(run: str) -> dict[str, torch.Tensor]:
    return load_weights(pointed(RunDir(run).checkpoints, "best"))


def result_of(run: str) -> dict[str, Any]:
    return dict(json.loads(RunDir(run).result.read_text("utf-8")))


def losses(run: str) -> list[tuple[float, float]]:
    return [(row["train/loss"], row["val/loss"]) for row in RunDir(run).read_history()]


def test_a_run_is_complete_without_the_file_of_weights(place: Path, dltrain: Callable) -> None:
    called = dltrain(*SHORT)
    assert called.code == 0, called.err
    assert "with the weights of tiny.pth; its head is new" in called.out
    assert "20 samples pass the frozen trunk once" in called.out
    trunk = torch.load(place / "tiny.pth", weights_only=True)
    kept = weights_of("run")
    assert torch.equal(kept["trunk.stage4.0.branch2.0.weight"], trunk["stage4.0.branch2.0.weight"])
    assert kept["head.2.weight"].abs().sum() > 0
    before = pd.read_csv("run/predictions.csv").set_index("id").sort_index()
    (place / "tiny.pth").unlink()

    again = load("run", device="cpu").predict([f"images/{name}" for name in before.index])
    assert again["score_light"].to_numpy() == pytest.approx(before["score_light"].to_numpy(), abs=1e-5)
    called = dltrain("evaluate", "run", "data.path=images")
    assert called.code == 0, called.err


def test_size_mean_and_spread_come_from_the_weights(place: Path, dltrain: Callable) -> None:
    called = dltrain(*SHORT, "data.size=null", "debug=smoke", "trainer.batch_size=2")
    assert called.code == 0, called.err
    facts = RunDir("run").read_facts()
    assert facts.input_shape == (3, 224, 224)
    assert facts.preprocessing["mean"] == [0.485, 0.456, 0.406]
    assert facts.preprocessing["std"] == [0.229, 0.224, 0.225]
    assert facts.preprocessing["resize"] == {"share": 0.875, "filter": "bilinear"}
    assert load("run", device="cpu").encoder.encode(["images/dark/0.png"]).inputs[0].shape == (1, 3, 224, 224)


def test_the_users_own_size_and_cut_win(place: Path, dltrain: Callable) -> None:
    called = dltrain(*SHORT, "data.size=48", "data.resize=pad", "debug=smoke")
    assert called.code == 0, called.err
    facts = RunDir("run").read_facts()
    assert (facts.input_shape, facts.preprocessing["resize"]) == ((3, 48, 48), "pad")


def test_grey_data_sets_are_shown_in_three_channels(place: Path, dltrain: Callable) -> None:
    called = dltrain(*SHORT[:3], "data=digits", "data.size=32", "debug=smoke", "trainer.threads=1", "baseline=none")
    assert called.code == 0, called.err
    facts = called.run.read_facts()
    assert (facts.input_shape, len(facts.preprocessing["mean"])) == ((1, 32, 32), 3)
    assert dltrain("export", str(called.run.path), "--format", "torch-export").code == 0


@pytest.mark.parametrize("how", [(), ("trainer.ema=0.5", "trainer.balance=resample")])
def test_cached_features_give_what_the_whole_network_gives(
    place: Path, dltrain: Callable, monkeypatch: pytest.MonkeyPatch, how: tuple[str, ...]
) -> None:
    assert dltrain(*SHORT, *how).code == 0
    monkeypatch.setattr(features, "are_cacheable", lambda setup: False)
    assert dltrain(*SHORT, *how, "hydra.run.dir=whole").code == 0
    for cached, whole in zip(losses("run"), losses("whole"), strict=True):
        assert cached == pytest.approx(whole, rel=1e-4)
    assert result_of("run")["test"] == pytest.approx(result_of("whole")["test"], rel=1e-4)


def test_augmentation_says_that_nothing_is_cached(place: Path, dltrain: Callable) -> None:
    called = dltrain(*SHORT, "augment=light")
    assert called.code == 0, called.err
    assert "features not cached: augmentation changes every sample" in called.out
    assert "augment=none" in called.out


def test_check_estimates_the_time_of_trunk_and_head(place: Path, dltrain: Callable) -> None:
    called = dltrain("check", *SHORT)
    assert called.code == 0, called.err
    assert "trains the head alone" in called.out and "passed" in called.out
    assert called.runs == []


@pytest.mark.parametrize("how", [(), ("augment=light",), ("model.freeze=2",), ("model.unfreeze_epoch=2",)])
def test_a_resumed_run_has_the_same_bits_without_the_file(place: Path, dltrain: Callable, how: tuple[str, ...]) -> None:
    how = (*how, "scheduler=constant", "trainer.save_epochs=1")
    assert dltrain(*SHORT, *how, "trainer.epochs=4", "hydra.run.dir=whole").code == 0
    assert dltrain(*SHORT, *how, "trainer.epochs=1").code == 0
    (place / "tiny.pth").unlink()
    called = dltrain("resume", "run", "trainer.epochs=4")
    assert called.code == 0, called.err
    assert losses("run") == losses("whole")
    whole = weights_of("whole")
    assert all(torch.equal(tensor, whole[name]) for name, tensor in weights_of("run").items())


def test_the_head_is_trained_first_and_then_everything(place: Path, dltrain: Callable) -> None:
    how = ("model.unfreeze_epoch=1", "scheduler=constant")
    assert "never trained, since there are only 1 epochs" in dltrain("check", *SHORT, *how, "trainer.epochs=1").err
    trunk = torch.load(place / "tiny.pth", weights_only=True)
    assert dltrain(*SHORT, *how, "trainer.epochs=1").code == 0
    early, name = weights_of("run"), "conv1.0.weight"
    assert torch.equal(early[f"trunk.{name}"], trunk[name])
    assert torch.equal(early["trunk.conv1.1.running_mean"], trunk["conv1.1.running_mean"])
    assert dltrain("resume", "run", "trainer.epochs=2").code == 0
    late = weights_of("run")
    assert not torch.equal(late[f"trunk.{name}"], trunk[name])
    assert not torch.equal(late["trunk.conv1.1.running_mean"], trunk["conv1.1.running_mean"])


def test_the_optimizer_has_a_group_for_each_rate() -> None:
    model = Pretrained(Spec("image", (3, 32, 32), 2), NETWORK, None, "none", None, 0.5)
    optimizer = build_optimizer({"_target_": "torch.optim.SGD", "lr": 0.8, "momentum": 0.9}, model)
    assert [group["lr"] for group in optimizer.param_groups] == [0.8, 0.4, 0.2, 0.1, 0.05, 0.025]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))
    assert {group["momentum"] for group in optimizer.param_groups} == {0.9}


class Around(torch.nn.Module):
    """A model that is built around another one."""

    def __init__(self, inner: Pretrained) -> None:
        super().__init__()
        self.inner, self.last = inner, torch.nn.Linear(2, 2)

    @property
    def core(self) -> Pretrained:
        return self.inner


def test_rates_and_stages_are_found_at_the_core_of_a_model() -> None:
    model = Around(Pretrained(Spec("image", (3, 32, 32), 2), NETWORK, None, "none", None, 0.5))
    optimizer = build_optimizer({"_target_": "torch.optim.SGD", "lr": 0.8}, model)
    assert [group["lr"] for group in optimizer.param_groups] == [0.8, 0.4, 0.2, 0.1, 0.05, 0.025]
    assert any(parameter is model.last.weight for parameter in optimizer.param_groups[0]["params"])
    assert picked_model(model) is model.inner


def test_the_jobs_of_a_sweep_share_the_features(place: Path, dltrain: Callable) -> None:
    called = dltrain(*SHORT[:-1], "-m", "optimizer.lr=0.01,0.001", "hydra.sweep.dir=sweep")
    assert called.code == 0, called.err
    first, second = (RunDir(f"sweep/{job}").log.read_text("utf-8") for job in (0, 1))
    assert "pass the frozen trunk once" in first
    assert "as an earlier job computed them" in second
    assert dltrain(*SHORT, "optimizer.lr=0.001").code == 0
    assert losses("run") == losses("sweep/1")


def test_a_run_is_reproduced(place: Path, dltrain: Callable) -> None:
    assert dltrain(*SHORT).code == 0
    called = dltrain("reproduce", "run")
    assert (called.code, called.err) == (0, "")
    assert losses("run") == losses("run_again")


def test_changed_weights_are_noticed_by_reproduce(place: Path, dltrain: Callable) -> None:
    assert dltrain(*SHORT).code == 0
    torch.manual_seed(6)
    torch.save(torchvision.models.get_model(NETWORK).state_dict(), "tiny.pth")
    called = dltrain("reproduce", "run")
    assert called.code == 2
    assert "tiny.pth" in called.err


def test_an_exported_model_takes_raw_pixels(place: Path, dltrain: Callable) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    assert dltrain(*SHORT, "model.freeze=none").code == 0
    called = dltrain("export", "run", "--format", "onnx", "-o", "model.onnx")
    assert called.code == 0, called.err
    model = load("run", device="cpu")
    files = ["images/dark/1.png", "images/light/2.png"]
    encoded = model.encoder.encode(files)
    (outputs,) = onnxruntime.InferenceSession("model.onnx").run(None, {"input_0": encoded.inputs[0].numpy()})
    assert outputs == pytest.approx(
        model.predict(["images/dark/1.png", "images/light/2.png"]).filter(like="score_").to_numpy(), abs=1e-4
    )


def test_a_frozen_trunk_needs_weights(place: Path, dltrain: Callable) -> None:
    called = dltrain(*SHORT, "model.weights=none")
    assert called.code == 2
    assert "random weights and is frozen" in called.err and "model.freeze=none" in called.err
    assert called.runs == []
    assert dltrain(*SHORT, "model.weights=none", "model.freeze=none", "debug=smoke").code == 0


def test_missing_weights_are_named_before_anything_is_written(
    place: Path, dltrain: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(place / "cache"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    called = dltrain(*SHORT, "model.weights=DEFAULT", "data.path=nowhere")  # before the images are looked for
    assert called.code == 2
    assert f"into {place / 'cache' / 'checkpoints'}" in called.err
    assert called.runs == []


def recipe_of(*overrides: str) -> str:
    (job,) = compose_jobs([*overrides, "data.path=images"], sweep=False)
    return str(job.composed.hydra.runtime.choices.recipe)


def test_the_recipe_comes_with_the_model_unless_the_user_picks_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "experiment").mkdir()
    (tmp_path / "configs" / "model" / "small.yaml").write_text("defaults: [pretrained, _self_]\nname: resnet34\n")
    (tmp_path / "configs" / "experiment" / "photos.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /data: images\n  - override /model: pretrained\n"
    )
    assert recipe_of("model=pretrained", "data=images") == "pretrained"
    assert recipe_of("model=small", "data=images") == "pretrained"
    assert recipe_of("experiment=photos") == "pretrained"
    assert recipe_of("experiment=photos", "model=cnn") == "image"
    assert recipe_of("model=pretrained", "data=images", "recipe=image") == "image"
    assert recipe_of("model=cnn", "data=images") == "image"
    (job,) = compose_jobs(["model=pretrained", "data=images", "data.path=images", "augment=light"], sweep=False)
    assert (job.config["augment"]["hflip"], job.config["trainer"]["epochs"]) == (0.5, 30)


def test_a_network_of_timm_is_trained_and_loaded(place: Path, dltrain: Callable) -> None:
    timm = pytest.importorskip("timm")
    torch.save(timm.create_model("test_resnet").state_dict(), "timm.pth")
    name = ("model.name=timm/test_resnet", "model.weights=timm.pth")
    called = dltrain(*SHORT, *name)
    assert called.code == 0, called.err
    (place / "timm.pth").unlink()
    assert len(load("run", device="cpu").predict(["images/dark/1.png"])) == 1
    assert dltrain("resume", "run", "trainer.epochs=4").code == 0


def test_python_trains_it_as_well(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    model = train(*SHORT, quiet=True)
    assert model.result["parameters"] == sum(parameter.numel() for parameter in model.module.parameters())


def test_the_folds_of_a_sweep_pass_the_frozen_trunk_once(
    place: Path, dltrain: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, whole = [], features.features_of
    monkeypatch.setattr(features, "features_of", lambda *parts: calls.append(parts) or whole(*parts))
    keys = [key for key in SHORT if not key.startswith("hydra")]
    called = dltrain("-m", *keys, "data.folds=3", "data.fold=range(3)", "hydra.sweep.dir=s")
    assert called.code == 0, called.err
    assert len(calls) == 3  # train, val and test of the first fold
    monkeypatch.setattr(features, "are_cacheable", lambda setup: False)
    assert dltrain(*keys, "data.folds=3", "data.fold=2", "hydra.run.dir=alone").code == 0
    for cached, alone in zip(losses("s/2"), losses("alone"), strict=True):
        assert cached == pytest.approx(alone, rel=1e-4)


def test_an_ensemble_over_folds_trains_its_heads_on_features_of_one_trunk(
    place: Path, dltrain: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = dltrain(*SHORT, "data.folds=2")
    assert called.code == 0, called.err
    assert "samples pass the frozen trunk once" in called.out
    monkeypatch.setattr(features, "are_cacheable", lambda setup: False)
    assert dltrain(*SHORT, "data.folds=2", "hydra.run.dir=whole").code == 0
    for cached, whole in zip(losses("run"), losses("whole"), strict=True):
        assert cached == pytest.approx(whole, rel=1e-4)
    assert dltrain("evaluate", "run", "data.path=images").code == 0
