"""What a `_target_` may name, and how models of other packages are called."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from dltrain.errors import ConfigError
from dltrain.experiment.outside_models import construct, filled, takes_spec, without_pretrained
from dltrain.experiment.targets import check_arguments, check_trust, drop_leftovers, needs_closure, resolve
from dltrain.runs.folder import RunDir
from dltrain.types import Spec

IMAGES = Spec("image", (3, 8, 8), 5)
GREY = Spec("image", (1, 8, 8), 5)
TABLE = Spec("table", (4,), 3)
STEPS = Spec("series", (24, 2), 6)
TEXTS = Spec("text", (40,), 2, vocab_sizes=(90,))
QUICK = ("debug=smoke", "baseline=none", "trainer.threads=1", "hydra.run.dir=run")

NOT_MODELS = [
    "os.system",
    "logging.os.system",
    "subprocess.Popen",
    "builtins.eval",
    "torch.load",
    "torch.hub.load",
    "torch.jit.load",
    "sklearn.utils.parallel.joblib.load",
    "torch.nn.modules.module.torch.load",
    "torch.fx.graph_module.reduce_graph_module",
    "torch.fx.graph_module._deserialize_graph_module",
    "torch.nn.utils.parametrizations.orthogonal",
    "torch.optim.SGD",
    "dltrain.cli.main.main",
]


@pytest.mark.parametrize("target", NOT_MODELS)
@pytest.mark.parametrize("trusted", [None, (), ("os", "torch", "subprocess", "builtins", "sklearn", "logging")])
def test_what_is_no_model_is_refused_whoever_names_it(target: str, trusted: tuple[str, ...] | None) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve("model", {"_target_": target}, trusted)
    assert caught.value.override not in ("--trust=torch", "--trust=os", "--trust=builtins", "--trust=subprocess")


@pytest.mark.parametrize("target", ["torch.nn.Linear", "torchvision.models.resnet18", "torchvision.models.get_model"])
def test_a_run_folder_may_name_what_torch_and_torchvision_define(target: str) -> None:
    assert resolve("model", {"_target_": target}, ()) is resolve("model", {"_target_": target})


def test_every_target_of_a_run_folder_is_looked_at_and_nothing_untrusted_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sly.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    inner = {"_target_": "mlp", "encoder": {"_target_": "sly.Encoder"}, "parts": [{"_target_": "os.system"}]}
    with pytest.raises(ExceptionGroup) as caught:
        check_trust({"model": inner, "loss": {}, "optimizer": {"_target_": "sly.Optimizer"}}, ())
    places = {error.where: error.override for error in caught.value.exceptions if isinstance(error, ConfigError)}
    assert places == {
        "model.encoder._target_": "--trust=sly",
        "model.parts[0]._target_": "",
        "optimizer._target_": "--trust=sly",
    }
    check_trust({"model": {"_target_": "mlp", "encoder": {"_target_": "sly.Encoder"}}}, ("sly",))


class First:
    takes = ("table",)

    def __init__(self, data: Any, width: int = 3) -> None: ...


class Inherits(First):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class Own(nn.Module):
    def __init__(self, anything, width: int = 3) -> None:  # type: ignore[no-untyped-def]
        super().__init__()


class Typed(nn.Module):
    def __init__(self, about: Spec) -> None:
        super().__init__()


class Behind(nn.Module):
    def __init__(self, width: int, *, spec: Spec) -> None:
        super().__init__()
        self.width, self.spec = width, spec


class Outside(nn.Module):
    def __init__(self, in_features: int, num_classes: int, width: int = 4) -> None:
        super().__init__()
        self.sizes = (in_features, num_classes, width)


class Open(nn.Module):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        self.given = kwargs


class Handing(nn.Module):
    def __init__(self, depth: int = 2, **kwargs: Any) -> None:
        super().__init__()
        self.inner = Limited(**kwargs)


class Limited(nn.Module):
    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.classes = num_classes


class Tokens(nn.Module):
    def __init__(self, vocab_size: int, n_classes: int) -> None:
        super().__init__()
        self.sizes = (vocab_size, n_classes)


class Windows(nn.Module):
    def __init__(self, seq_len: int, n_features: int, output_dim: int) -> None:
        super().__init__()
        self.sizes = (seq_len, n_features, output_dim)


class Sized(nn.Module):
    def __init__(self, img_size: int, in_chans: int, num_classes: int) -> None:
        super().__init__()
        self.sizes = (img_size, in_chans, num_classes)


def test_which_models_take_a_spec_first() -> None:
    assert all(map(takes_spec, (Inherits, Own, Typed)))
    assert not any(map(takes_spec, (Behind, Outside, Open, nn.Linear)))
    assert not takes_spec(Own, given=("anything",))


def test_what_the_data_knows_fills_parameters_of_known_names_that_the_config_leaves_open() -> None:
    assert construct(Outside, "m", TABLE, {}).sizes == (4, 3, 4)
    assert construct(Outside, "m", TABLE, {"in_features": 9, "width": 1}).sizes == (9, 3, 1)
    assert construct(Tokens, "m", TEXTS, {}).sizes == (90, 2)
    assert construct(Windows, "m", STEPS, {}).sizes == (24, 2, 6)
    assert construct(Sized, "m", GREY, {}).sizes == (8, 1, 5)
    assert construct(Behind, "m", TABLE, {"width": 2}).spec is TABLE
    assert construct(nn.Linear, "m", TABLE, {"bias": False}).weight.shape == (3, 4)


def test_what_is_handed_on_is_told_what_it_knows_and_no_more() -> None:
    assert construct(Open, "m", GREY, {}).given == {"num_classes": 5, "in_chans": 1}
    assert construct(Handing, "m", GREY, {}).inner.classes == 5
    assert construct(Handing, "m", GREY, {"num_classes": 7}).inner.classes == 7
    with pytest.raises(ConfigError, match="unexpected keyword argument 'colour'") as caught:
        construct(Handing, "m", GREY, {"colour": 1})
    assert caught.value.where == "model.colour"


def test_what_nobody_knows_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="the value is missing") as caught:
        construct(Outside, "m", TEXTS, {})
    assert (caught.value.where, caught.value.override) == ("model.in_features", "+model.in_features=...")


def test_arguments_of_other_packages_models_are_held_against_their_signatures() -> None:
    errors = check_arguments("model", Outside, {"_target_": "m.Outside", "widht": 3})
    assert [(error.where, error.override) for error in errors] == [("model.widht", "model.width")]
    errors = check_arguments("model", Outside, {"_target_": "m.Outside", "width": "wide", "num_classes": 2.5})
    assert {error.where for error in errors} == {"model.width", "model.num_classes"}
    assert not check_arguments("model", Outside, {"_target_": "m.Outside"})
    (error,) = check_arguments("model", Behind, {"_target_": "m.Behind"})
    assert (error.where, error.override) == ("model.width", "+model.width=...")
    assert filled(Behind) == {"spec"}


def test_an_enumeration_is_given_by_its_name() -> None:
    target = resolve("model", {"_target_": "torchvision.models.resnet18"})
    node = {"_target_": "torchvision.models.resnet18"}
    assert not check_arguments("model", target, {**node, "weights": "DEFAULT"})
    assert not check_arguments("model", target, {**node, "weights": "ResNet18_Weights.IMAGENET1K_V1"})
    assert check_arguments("model", target, {**node, "weights": "NONE_OF_THEM"})


def numbers(weights: list[float] | None = None, pretrained: str = "") -> nn.Module:
    return nn.Linear(1, 1)


def test_pretrained_weights_are_told_by_what_they_are() -> None:
    builder = resolve("model", {"_target_": "torchvision.models.resnet18"})
    assert without_pretrained(builder, {"weights": "DEFAULT", "progress": False}) == {
        "weights": None,
        "progress": False,
    }
    assert without_pretrained(builder, {}) == {"weights": None}  # some fetch weights where nothing is said
    assert without_pretrained(Open, {"pretrained": True, "model_name": "x"}) == {"pretrained": False, "model_name": "x"}
    for value in ("DEFAULT", "IMAGENET1K_V2", "ViT_B_16_Weights.DEFAULT", "https://a.b/c", "begin.safetensors"):
        assert without_pretrained(numbers, {"weights": value}) == {"weights": None}
    for kept in ({"weights": [1.0, 2.0]}, {"weights": "uniform"}, {"weights": 3}, {"pretrained": "no"}):
        assert without_pretrained(numbers, kept) == kept


def test_lbfgs_needs_a_closure_and_adam_does_not() -> None:
    assert needs_closure(torch.optim.LBFGS)
    assert not needs_closure(torch.optim.Adam)


def test_another_target_drops_what_the_file_says_for_its_own() -> None:
    optimizer = {"_target_": "torch.optim.SGD", "lr": 0.1, "betas": [0.9, 0.999], "weight_decay": 0.0, "eps": 1.0}
    config = {"optimizer": optimizer, "model": {"_target_": "mlp", "hidden": [3]}}
    drop_leftovers(config, ["optimizer._target_=torch.optim.SGD", "optimizer.eps=1", "model.hidden=[3]"])
    assert list(config["optimizer"]) == ["_target_", "lr", "weight_decay", "eps"]  # eps was asked for: it is refused
    assert list(config["model"]) == ["_target_", "hidden"]


def test_a_builder_fetches_no_weights_of_its_backbone_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*arguments: Any, **options: Any) -> None:
        raise AssertionError("fetches weights")

    monkeypatch.setattr("torchvision.models._api.WeightsEnum.get_state_dict", fetch)
    target = "torchvision.models.segmentation.lraspp_mobilenet_v3_large"
    builder = resolve("model", {"_target_": target})
    assert isinstance(construct(builder, target, IMAGES, {}), nn.Module)
    with pytest.raises(ConfigError, match="fetches weights"):
        construct(builder, target, IMAGES, {"weights_backbone": "IMAGENET1K_V1"})


def test_a_builder_of_torchvision_is_trained_loaded_and_gone_on_with(dltrain: Callable, image_folder: Path) -> None:
    images = ("data=images", f"data.path={image_folder}", "data.size=16", "data.val_fraction=0.2")
    called = dltrain("model._target_=torchvision.models.shufflenet_v2_x0_5", *images, *QUICK)
    assert called.code == 0, called.err
    node = yaml.safe_load(called.run.config.read_text("utf-8"))["model"]
    assert node == {"_target_": "torchvision.models.shufflenet_v2_x0_5"}
    assert dltrain("predict", "run", str(image_folder), "-o", "said.csv").code == 0
    assert dltrain("resume", "run", "trainer.epochs=2").code == 0


COLLEAGUE = """
from torch import nn
from torch.optim import SGD

class Net(nn.Module):
    def __init__(self, in_features: int, num_classes: int, width: int = 4):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(in_features, width), nn.Tanh(), nn.Linear(width, num_classes))

    def forward(self, x):
        return self.net(x)

class Steady(SGD):
    pass

def create(name: str, **kwargs) -> nn.Module:
    return {"net": Net}[name](4, **kwargs)

def promise(**kwargs) -> "Missing | nn.Module":
    return Net(**kwargs)

def silent(name="net"):
    return Net(4, 3)
"""


@pytest.fixture
def colleague(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that is installed, as far as Python can tell."""
    site = tmp_path_factory.mktemp("venv") / "site-packages"
    (site / "colleague").mkdir(parents=True)
    (site / "colleague" / "__init__.py").write_text("from .nets import Net, Steady, create, promise, silent\n")
    (site / "colleague" / "nets.py").write_text(COLLEAGUE)
    monkeypatch.syspath_prepend(site)
    yield "colleague"
    for name in [name for name in sys.modules if name.split(".")[0] == "colleague"]:
        del sys.modules[name]


def test_an_installed_package_is_a_target_and_a_run_folder_that_names_it_needs_trust(
    dltrain: Callable, colleague: str, tmp_path: Path
) -> None:
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "theirs.yaml").write_text(f"# Theirs.\n_target_: {colleague}.create\nname: net\n")
    called = dltrain("model=theirs", "data=iris", "+model.width=6", f"optimizer._target_={colleague}.Steady", *QUICK)
    assert called.code == 0, called.err
    (tmp_path / "new.csv").write_text(
        "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5,3,1,0.2\n"
    )
    for command in (["predict", "run", "new.csv"], ["resume", "run", "trainer.epochs=2"], ["evaluate", "run"]):
        refused = dltrain(*command)
        assert refused.code == 2
        assert f"dltrain {' '.join(command)} --trust={colleague}" in refused.err
        assert dltrain(*command, "--trust", colleague).code == 0
    assert json.loads(RunDir("run").result.read_text())["basis"]["source"].keys() == {f"{colleague}.nets"}


def test_a_function_of_an_installed_package_must_promise_a_model(colleague: str) -> None:
    assert resolve("model", {"_target_": f"{colleague}.create"})
    assert resolve("model", {"_target_": f"{colleague}.promise"})
    with pytest.raises(ConfigError, match="is not a subclass of Module or a function that returns Module"):
        resolve("model", {"_target_": f"{colleague}.silent"})


def test_a_key_that_only_the_signature_knows_takes_a_plus(dltrain: Callable, colleague: str) -> None:
    target = f"model._target_={colleague}.Net"
    called = dltrain(target, "model.width=5", "data=iris", *QUICK)
    assert f"dltrain {target} +model.width=5 data=iris" in called.err
    called = dltrain(target, "+model.widht=5", "data=iris", *QUICK)
    assert (called.code, "did you mean model.width" in called.err) == (2, True)
    called = dltrain("+model.width=5", "data=iris", *QUICK)  # the mlp's file names all its keys
    assert (called.code, "no such key" in called.err) == (2, True)
    assert called.runs == []
