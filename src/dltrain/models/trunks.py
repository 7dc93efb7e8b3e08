"""Networks of torchvision and timm without their last layer: which there are, how they are built, and their stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torchvision
from torch import nn

from dltrain.config.validation import nearest
from dltrain.errors import ConfigError, require
from dltrain.types import InputFormat

TIMM = "timm/"
USUAL = ("resnet18", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny", "vgg11", "vit_b_16")
FEWEST_STAGES = 4  # a trunk of fewer children is divided further
# Builders that have other outputs in training, or other inputs with pretrained weights.
SPECIAL: Mapping[str, Mapping[str, Any]] = {
    "googlenet": {"aux_logits": False, "transform_input": True, "init_weights": False},
    "inception_v3": {"aux_logits": False, "transform_input": True, "init_weights": False},
}


@dataclass(frozen=True)
class Trunk:
    """A network without its last layer.

    Args:
        module: takes images `(B, 3, H, W)` and returns features `(B, F)`.
        width: the number of features.
        heads: the beginnings of the names that the last layer's tensors have in files of weights.
    """

    module: nn.Module
    width: int
    heads: tuple[str, ...]


def check_name(name: str) -> None:
    """Checks that there is a network of that name.

    Raises:
        ConfigError: there is none, or timm is not installed.
    """
    if name.startswith(TIMM):
        require("timm", "timm", f"has the network {name.removeprefix(TIMM)}", ConfigError, where="model.name")
        import timm

        # Names of its registry alone: timm would also take an address or a folder.
        registered = timm.list_pretrained() if "." in name else timm.list_models()
        names = [f"{TIMM}{one}" for one in registered]
        known = name in names
        advice = "python -c 'import timm; print(timm.list_models())' lists them"
    else:
        names = [one for one in torchvision.models.list_models(torchvision.models) if not one.startswith("squeezenet")]
        known = name in names
        advice = f"give one of torchvision's classifiers, such as {', '.join(USUAL)}, or timm/NAME"
    if known:
        return
    near = nearest(name, names)
    raise ConfigError(
        f"there is no network {name!r}",
        where="model.name",
        fix=f"did you mean {near}?" if near else advice,
        override=f"model.name={near}" if near else "",
    )


def build_trunk(name: str, side: int) -> Trunk:
    """Returns a network without its last layer, with random weights.

    Args:
        name: a classifier of torchvision, or `timm/` and a model of timm.
        side: the height and width of the images, for networks that take one size only.

    Raises:
        ConfigError: there is no such network, or it takes no images of that size.
    """
    check_name(name)
    try:
        return _timm_trunk(name.removeprefix(TIMM), side) if name.startswith(TIMM) else _torchvision_trunk(name, side)
    except (AssertionError, ValueError) as error:
        what = f"{name} takes no images of {side}×{side} pixels: {' '.join(str(error).split())}"
        fix = "leave out data.size, so that images get the size that the weights were trained on"
        raise ConfigError(what, where="data.size", fix=fix) from error


def format_of(name: str, weights: str | None) -> InputFormat:
    """Returns the images that a network's weights were trained on.

    Args:
        name: as in `build_trunk`.
        weights: the name of torchvision's weights; for anything else, those of `DEFAULT`.

    Raises:
        ConfigError: there is no such network.
    """
    check_name(name)
    if name.startswith(TIMM):
        import timm

        known = timm.get_pretrained_cfg(name.removeprefix(TIMM), allow_unregistered=False)
        side, share, spread = known.input_size[-1], known.crop_pct, known.interpolation
        mean, std = known.mean, known.std
    else:
        preset = weights_of(name, weights).transforms()
        side, spread = preset.crop_size[0], preset.interpolation.value
        share, mean, std = side / preset.resize_size[0], preset.mean, preset.std
    options = {"size": int(side), "channels": 3, "resize": {"share": round(float(share), 6), "filter": spread}}
    return InputFormat(options, tuple(map(float, mean)), tuple(map(float, std)))


def weights_of(name: str, weights: str | None) -> Any:
    """Returns torchvision's description of a network's weights; of `DEFAULT` where `weights` is no name of its own."""
    options = torchvision.models.get_model_weights(name)
    return options.__members__.get(str(weights).removeprefix(f"{options.__name__}."), options.DEFAULT)


def stages_of(trunk: nn.Module) -> list[tuple[str, list[str]]]:
    """Returns the stages of a trunk from the input on: the name of each, and the names of its modules.

    A stage is a child with weights, and a normalisation belongs to the stage before it. If there are fewer than four,
    all children are divided into theirs.
    """
    parts = _children("", trunk)
    while len(stages := _with_norms(parts)) < FEWEST_STAGES:
        divided = [inner for name, part in parts for inner in (_children(name, part) or [(name, part)])]
        if len(divided) == len(parts):
            break
        parts = divided
    return stages


def _with_norms(parts: list[tuple[str, nn.Module]]) -> list[tuple[str, list[str]]]:
    stages: list[tuple[str, list[str]]] = []
    for name, part in parts:
        if stages and all(parameter.dim() < 2 for parameter in part.parameters()):
            stages[-1][1].append(name)
        else:
            stages.append((name, [name]))
    return stages


def _children(prefix: str, module: nn.Module) -> list[tuple[str, nn.Module]]:
    return [
        (f"{prefix}.{name}".lstrip("."), child)
        for name, child in module.named_children()
        if any(True for _ in child.parameters())
    ]


def _torchvision_trunk(name: str, side: int) -> Trunk:
    build = torchvision.models.get_model_builder(name)
    sized = {"image_size": side} if name.startswith("vit_") else {}
    model = build(weights=None, **SPECIAL.get(name, {}), **sized)
    place, head = [(one, layer) for one, layer in model.named_modules() if isinstance(layer, nn.Linear)][-1]
    parent = model.get_submodule(place.rpartition(".")[0])
    setattr(parent, place.rpartition(".")[2], nn.Identity())
    return Trunk(model, head.in_features, (f"{place}.", "AuxLogits.", "aux1.", "aux2."))


def _timm_trunk(name: str, side: int) -> Trunk:
    import timm

    known = timm.get_pretrained_cfg(name)
    sized = {} if known is None or side == known.input_size[-1] else {"img_size": side}
    try:
        model = timm.create_model(name, pretrained=False, num_classes=0, **sized)
    except TypeError as error:  # a network that takes images of any size
        if "img_size" not in str(error):
            raise
        model = timm.create_model(name, pretrained=False, num_classes=0)
    heads = known.classifier if known is not None else ()
    heads = (heads,) if isinstance(heads, str) else tuple(heads or ())
    width = getattr(model, "head_hidden_size", None) or model.num_features
    return Trunk(model, int(width), tuple(f"{head}." for head in heads))
