"""Pretrained networks: their stages, what is frozen, and which files of weights they take."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor

from dltrain.config.compose import compose_jobs
from dltrain.config.foreign_keys import NETWORKS
from dltrain.errors import ConfigError
from dltrain.models.pretrained import Pretrained
from dltrain.models.trunks import build_trunk, format_of, stages_of
from dltrain.types import Spec

NETWORK = "shufflenet_v2_x0_5"
SPEC = Spec("image", (3, 32, 32), 4)
STAGES = ("conv1", "stage2", "stage3", "stage4", "conv5")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights of the whole network, as torchvision offers them."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / f"{NETWORK}.pth"
    torch.save(torchvision.models.get_model(NETWORK).state_dict(), path)
    return path


def build(weights: Path | str | None = None, spec: Spec = SPEC, **arguments: Any) -> Pretrained:
    return Pretrained(spec, **({"name": NETWORK, "weights": None if weights is None else str(weights)} | arguments))


def refused(weights: Path | str | None = None, **arguments: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        build(weights, **arguments)
    return caught.value


def trunk_of(model: Pretrained) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.trunk.state_dict().items()}


def frozen(model: Pretrained) -> set[str]:
    """The children of the trunk without a trained parameter."""
    return {
        name
        for name, child in model.trunk.named_children()
        if list(child.parameters()) and not any(parameter.requires_grad for parameter in child.parameters())
    }


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("resnet18", 5, "conv1", "layer4"),
        ("mobilenet_v3_small", 14, "features.0", "classifier.0"),
        ("efficientnet_b0", 9, "features.0", "features.8"),
        ("vgg11", 10, "features.0", "classifier.3"),
        ("vit_b_32", 13, "conv_proj", "encoder.layers.encoder_layer_11"),
        ("densenet121", 8, "features.conv0", "features.denseblock4"),
        ("convnext_tiny", 8, "features.0", "features.7"),
        ("googlenet", 12, "conv1", "inception5b"),
    ],
)
def test_stages_run_from_the_input_to_the_head_and_hold_every_layer(
    name: str, count: int, first: str, last: str
) -> None:
    with torch.device("meta"):
        trunk = build_trunk(name, 224)
        stages = stages_of(trunk.module)
        shape = trunk.module.eval()(torch.zeros(2, 3, 224, 224)).shape
    names = [stage for stage, _ in stages]
    assert (len(names), names[0], names[-1]) == (count, first, last)
    assert shape == (2, trunk.width)
    modules = [module for _, part in stages for module in part]
    loose = [
        parameter
        for parameter, _ in trunk.module.named_parameters()
        if sum(parameter.startswith(f"{module}.") for module in modules) != 1
    ]
    assert [parameter.rpartition(".")[2] for parameter in loose] in ([], ["class_token", "pos_embedding"])


def test_images_are_those_that_the_weights_were_trained_on() -> None:
    wanted = format_of("efficientnet_b0", "DEFAULT")
    assert wanted.options == {"size": 224, "channels": 3, "resize": {"share": 0.875, "filter": "bicubic"}}
    assert wanted.mean == (0.485, 0.456, 0.406)
    assert format_of("vit_b_16", "IMAGENET1K_SWAG_E2E_V1").options["size"] == 384
    assert format_of("vit_b_16", "ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1").options["size"] == 384


def test_a_frozen_trunk_stays_as_it_is_and_the_head_learns(weights: Path) -> None:
    model = build(weights).train()
    before, head = trunk_of(model), model.head[2].weight.clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(3):
        model(torch.randn(4, 3, 32, 32)).logsumexp(1).sum().backward()
        optimizer.step()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.trunk.state_dict().items())
    assert not torch.equal(model.head[2].weight, head)


def test_features_stand_for_images(weights: Path) -> None:
    model = build(weights).eval()
    torch.nn.init.normal_(model.head[2].weight)
    x = torch.randn(3, 3, 32, 32)
    assert torch.equal(model(model.features(x)), model(x))
    assert model.features(x).shape == (3, 1024)


def test_grey_images_are_shown_as_three_channels(weights: Path) -> None:
    model = build(weights, Spec("image", (1, 32, 32), 4)).eval()
    x = torch.randn(2, 1, 32, 32)
    assert torch.equal(model.features(x), model.features(x.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize(
    ("freeze", "expected"), [("trunk", set(STAGES)), ("none", set()), (0, set()), (2, {"conv1", "stage2"})]
)
def test_so_many_stages_are_frozen(freeze: str | int, expected: set[str]) -> None:
    model = build(freeze=freeze).train()
    assert frozen(model) == expected
    modes = {name: child.training for name, child in model.trunk.named_children() if name in STAGES}
    assert {name for name, training in modes.items() if not training} == expected
    assert model.is_trunk_fixed == (freeze == "trunk")


def test_after_some_epochs_everything_is_trained() -> None:
    model = build(unfreeze_epoch=2)
    assert not model.is_trunk_fixed
    for epoch, expected in ((0, set(STAGES)), (1, set(STAGES)), (2, set()), (5, set()), (1, set(STAGES))):
        model.freeze_for(epoch)
        assert frozen(model.train()) == expected
        assert model.trunk.training == (not expected)


def test_the_learning_rate_falls_from_stage_to_stage() -> None:
    model = build(freeze="none", layer_decay=0.5)
    scales = model.rate_scales
    assert {name.split(".")[1]: scale for name, scale in scales.items() if name.startswith("trunk.")} == {
        stage: 0.5 ** (5 - number) for number, stage in enumerate(STAGES)
    }
    assert {scale for name, scale in scales.items() if name.startswith("head.")} == {1.0}
    assert scales.keys() == {name for name, _ in model.named_parameters()}
    assert build(freeze="none", layer_decay=1.0).rate_scales == build(layer_decay=0.5).rate_scales == {}


def test_wrong_numbers_of_stages_are_refused() -> None:
    error = refused(freeze=6)
    assert ("5 stages" in error.what, error.override) == (True, "model.freeze=trunk")
    assert refused(freeze="none", unfreeze_epoch=3).override == "model.freeze=trunk"


def test_a_misspelt_network_is_answered_with_the_nearest() -> None:
    assert refused(name="resnet81").override == ""
    assert refused(name="efficientnet_bo").where == "model.name"
    assert refused(name="mobilenet_v3_smal").override == "model.name=mobilenet_v3_small"


def test_weights_come_from_a_file_in_any_form(weights: Path, tmp_path: Path) -> None:
    saved = torch.load(weights, weights_only=True)
    save_file(saved, tmp_path / "own.safetensors")
    torch.save({"epoch": 3, "state_dict": {f"module.{name}": one for name, one in saved.items()}}, tmp_path / "b.pth")
    torch.save({"model": saved}, tmp_path / "c.bin")
    for path in (weights, weights.parent, *tmp_path.iterdir()):
        model = build(path)
        assert all(torch.equal(tensor, saved[name]) for name, tensor in model.trunk.state_dict().items()), path
        assert "its head is new" in model.start_words[0]
    (digest,) = build(weights).start_files.values()
    assert len(digest) == 64


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Command:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"conv1.0.weight": Command()}))
    torch.save({"conv1.0.weight": Command()}, tmp_path / "evil2.pth")
    for name in ("evil.pth", "evil2.pth"):
        error = refused(tmp_path / name)
        assert (error.where, "run code" in error.what) == ("model.weights", True)
    assert not (tmp_path / "ran").exists()


def test_files_that_hold_no_weights_of_the_network_are_refused(weights: Path, tmp_path: Path) -> None:
    saved = torch.load(weights, weights_only=True)
    (tmp_path / "cut.pth").write_bytes(weights.read_bytes()[:5000])
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({name: tensor for name, tensor in saved.items() if "stage4.0" not in name}, tmp_path / "less.pth")
    torch.save(saved | {"stage9.weight": torch.zeros(2)}, tmp_path / "more.pth")
    torch.save(saved | {"conv1.0.weight": torch.zeros(24, 4, 3, 3)}, tmp_path / "other.pth")
    assert "cannot be read as weights" in refused(tmp_path / "cut.pth").what
    assert "does not hold tensors" in refused(tmp_path / "list.pth").what
    assert "lacks stage4.0" in refused(tmp_path / "less.pth").what
    assert "has stage9.weight" in refused(tmp_path / "more.pth").what
    assert "24×4×3×3" in refused(tmp_path / "other.pth").what
    error = refused(weights, name="resnet18")
    assert "another network than resnet18" in error.what and "lacks conv1.weight" in error.what
    folder = refused(tmp_path)
    assert "5 files of weights" in folder.what and folder.override.startswith("model.weights=")
    assert "no file or folder nowhere.pth" in refused("nowhere.pth").what


def test_weights_that_torchvision_offers_come_from_torchs_cache(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    url = str(torchvision.models.get_model_weights(NETWORK).DEFAULT.url)
    fetched = []

    def fail(url: str, *_: Any, **__: Any) -> None:
        fetched.append(url)
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    error = refused("DEFAULT")
    assert error.exit_code == 2
    assert fetched == [url]
    file_name = url.rpartition("/")[2]
    assert "no network" in error.what
    assert f"{file_name} into {tmp_path / 'checkpoints'}" in error.fix and url in error.fix
    (tmp_path / "checkpoints" / file_name).write_bytes(weights.read_bytes())
    saved = torch.load(weights, weights_only=True)
    for named in ("DEFAULT", "IMAGENET1K_V1"):
        assert torch.equal(build(named).trunk.state_dict()["conv1.0.weight"], saved["conv1.0.weight"])
    assert len(fetched) == 1


def test_a_vision_transformer_takes_images_of_another_size_with_random_weights_only(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    import timm

    path = tmp_path / "vit.safetensors"
    save_file(timm.create_model("test_vit").state_dict(), path)
    side = format_of("timm/test_vit", None).options["size"]
    assert build(path, Spec("image", (3, side, side), 2), name="timm/test_vit").start_files
    error = refused(path, spec=Spec("image", (3, 64, 64), 2), name="timm/test_vit")
    assert "for images of this size" in error.what and "data.size" in error.fix


@pytest.mark.parametrize("name", ["../../etc", "hf-hub:someone/model", "resnet10t.nothing", "local-dir:/tmp/model"])
def test_only_names_of_timms_registry_are_taken(name: str) -> None:
    pytest.importorskip("timm")
    error = refused(name=f"timm/{name}")
    assert (error.where, "there is no network" in error.what) == ("model.name", True)


def test_timm_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "timm", None)
    error = refused(name="timm/tf_efficientnet_lite0")
    assert "dltrain[timm]" in error.fix


def test_a_network_for_other_sizes_says_which_key_to_leave_out() -> None:
    error = refused(spec=Spec("image", (3, 24, 24), 2), name="vit_b_32")
    assert (error.where, "24×24" in error.what) == ("data.size", True)


def test_the_networks_that_proposals_know_are_those_of_torchvision() -> None:
    assert {*torchvision.models.list_models(torchvision.models, exclude="squeezenet*")} == NETWORKS


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "vit_b_16", "timm/resnet10t.c3_in1k"])
def test_a_network_that_is_given_as_a_model_is_answered_with_its_command(name: str) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        compose_jobs([f"model={name}", "data=digits"])
    (error,) = caught.value.exceptions
    assert isinstance(error, ConfigError)
    assert error.override == f"model=pretrained model.name={name}"
    compose_jobs([*error.override.split(), "data=digits"])
