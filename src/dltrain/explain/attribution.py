"""Where in an image a model sees what it answers: Grad-CAM for convolutions, integrated gradients for other networks.

Grad-CAM (Selvaraju et al., 2017) weighs the last map of features that still has an extent; here each place has its own
gradient (Draelos and Carin, 2020), so that it holds for any layers after it. Integrated gradients (Sundararajan et al.,
2017) add up gradients on the way from the mean training image to the image.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.models.names import networks_of
from dltrain.types import BatchTransform

BATCH = 4
SMALLEST_MAP = 4  # pixels per side, below which a map of features says too little of places
LAYERS_AFTER = 4  # most layers with parameters after that map; where more follow, it is no summary of what was seen
STEPS = 24  # of the integral
BLUR = 5  # pixels, over which integrated gradients are averaged

Score = Callable[[Tensor], Tensor]


def attribute(
    model: nn.Module,
    score: Score,
    inputs: tuple[Tensor, ...],
    prepare: BatchTransform | None,
    device: torch.device,
    seconds: float = float("inf"),
) -> Tensor:
    """Returns for each image how much each place speaks for the answer, `(N, H, W)` from 0 to 1, on the CPU.

    Args:
        model: trained.
        score: returns of an output the number that is explained, `(B,)`, such as that of the predicted class.
        inputs: stored; the first are images `(N, C, H, W)`, and the others stay as they are.
        prepare: what loaders do to a batch.
        device: of the model.
        seconds: after which no further images are explained, so that the result is shorter.
    """
    deadline = perf_counter() + seconds
    model.eval()
    parts: list[Tensor] = []
    for start in range(0, len(inputs[0]), BATCH):
        if parts and perf_counter() >= deadline:
            break
        stored = tuple(tensor[start : start + BATCH].to(device) for tensor in inputs)
        with torch.no_grad():
            images, *others = stored if prepare is None else prepare(stored)
        with torch.enable_grad():
            images = images.detach().float()
            places = _grad_cam(model, score, images, others)
            if places is None:
                places = _integrated_gradients(model, score, images, others)
        parts.append(_scaled(places, (images.shape[2], images.shape[3])).cpu())
    return torch.cat(parts)


def _grad_cam(model: nn.Module, score: Score, images: Tensor, others: list[Tensor]) -> Tensor | None:
    """Returns `(B, h, w)` of the last map of features, of an ensemble the sum over its networks; `None` for a network
    without one, or with much after it."""
    networks = networks_of(model)
    number_of = {layer: number for number, network in enumerate(networks) for layer in network.modules()}
    last: dict[int, Tensor] = {}
    after = [0] * len(networks)

    def look(layer: nn.Module, _: Any, output: Any) -> None:
        for number in [number_of[layer]] if layer in number_of else range(len(networks)):
            if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) >= SMALLEST_MAP:
                last[number], after[number] = output, 0
            elif next(layer.parameters(recurse=False), None) is not None:
                after[number] += 1

    leaves = [module for module in model.modules() if not any(module.children())]
    hooks = [module.register_forward_hook(look) for module in leaves]
    try:
        output = model(images.requires_grad_(), *others)
    finally:
        for hook in hooks:
            hook.remove()
    maps = list(last.values())
    if len(maps) < len(networks) or max(after) > LAYERS_AFTER or any(len(one) != len(images) for one in maps):
        return None
    gradients = torch.autograd.grad(score(output).sum(), maps, allow_unused=True)
    places = [
        (slope * one).sum(dim=1).detach() for slope, one in zip(gradients, maps, strict=True) if slope is not None
    ]
    return sum(places[1:], places[0]) if len(places) == len(maps) else None


def _integrated_gradients(model: nn.Module, score: Score, images: Tensor, others: list[Tensor]) -> Tensor:
    """Returns `(B, H, W)`; the way begins at 0, which is the mean of the prepared training images."""
    total = torch.zeros_like(images)
    for step in range(STEPS):
        at = (images.detach() * ((step + 0.5) / STEPS)).requires_grad_()
        (gradient,) = torch.autograd.grad(score(model(at, *others)).sum(), at)
        total += gradient / STEPS
    places = (total * images.detach()).sum(dim=1, keepdim=True)
    size = min(BLUR, *places.shape[2:])
    size -= size % 2 == 0
    return functional.avg_pool2d(places, size, stride=1, padding=size // 2, count_include_pad=False)[:, 0]


def _scaled(places: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns what speaks for the answer, `(B, H, W)`, the largest of each image 1; 0 where nothing does."""
    larger = functional.interpolate(places.clamp(min=0)[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
    largest = larger.amax(dim=(1, 2), keepdim=True)
    return torch.where(largest > 0, larger / largest.clamp(min=1e-30), 0.0)
