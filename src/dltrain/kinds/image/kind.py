"""The kind of data of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dltrain.data.loader import TensorLoader
from dltrain.data.stored import in_parts
from dltrain.explain.attribution import attribute
from dltrain.explain.explanation import Explanation
from dltrain.explain.projection import project_features
from dltrain.kinds import estimators
from dltrain.kinds.checks import Finding, check_balance, check_size
from dltrain.kinds.image.augmented import save_augmented
from dltrain.kinds.image.checks import check_images
from dltrain.kinds.image.digests import were_trained_on
from dltrain.kinds.image.encoder import ImageEncoder
from dltrain.kinds.image.likeness import save_likeness, telling_unlike
from dltrain.kinds.image.maps import write_overlay
from dltrain.kinds.image.views import views_of
from dltrain.kinds.joined_columns import build_with_columns, encoder_of_columns, importance_beside
from dltrain.kinds.kind import Kind, TellUnlike, UsableModel
from dltrain.kinds.method import Method
from dltrain.kinds.page import KindPage
from dltrain.runs.folder import RunDir
from dltrain.tasks.task import Task
from dltrain.training.budget import Budget
from dltrain.types import BatchTransform, Data, Facts, InputFormat, Spec, Split, SplitName, Stored

AT_ONCE = 64  # images whose pixels are looked at together, which a CPU's caches hold
THUMBNAIL = 16  # pixels per side of the images for baselines, of wide ones the root of width times height


class Image(Kind):
    """Images of one size."""

    name: ClassVar[str] = "image"
    default_model: ClassVar[str] = "cnn"
    has_places: ClassVar[bool] = True
    unlike_words: ClassVar[str] = "the image is unlike the training images"
    budget: ClassVar[Budget] = Budget(fewest=12, large_batch=128)

    def encoder(self, facts: Facts) -> ImageEncoder:
        return ImageEncoder.of(facts)

    def assemble(self, build: Callable[[Spec], nn.Module], facts: Facts, spec: Spec) -> nn.Module:
        spec = replace(spec, mirror=bool(facts.preprocessing.get("mirror")))
        return build_with_columns(build, facts, spec)

    def page(self, facts: Facts) -> KindPage:
        from dltrain.kinds.image.page import ImagePage

        return ImagePage(facts)

    def input_format(self, facts: Facts) -> InputFormat:
        stored = facts.preprocessing
        height, width = stored["size"]
        resize = stored.get("resize", "crop")
        options = {"channels": stored["channels"], "resize": resize, "folds": facts.folds or "none"}
        options |= {"size": height} if height == width else {}
        return InputFormat(options, tuple(stored["mean"]), tuple(stored["std"]))

    def suit(self, data: Data, wanted: InputFormat) -> Data:
        """Returns data that is standardised by other means and spreads than the training images'."""
        channels = data.facts.input_shape[0]
        if not wanted.mean or (channels != len(wanted.mean) and channels != 1):
            return data
        own = dict(data.facts.preprocessing) | {"mean": list(wanted.mean), "std": list(wanted.std)}
        facts, side = replace(data.facts, preprocessing=own), wanted.options.get("size")
        height, width = facts.input_shape[1:]
        unlike = side is not None and (height, width) != (side, side)
        note = f"images are {width}×{height} pixels, and the weights were trained on {side}×{side}"
        notes = (*data.notes, *[note] * unlike)
        return replace(data, facts=facts, prepare=ImageEncoder.of(facts).prepare, notes=notes)

    def why_unlike(self, before: Facts, now: Facts) -> str:
        channels = before.input_shape[0], now.input_shape[0]
        return "" if channels[0] == channels[1] else f"its images have {channels[0]} channels, and these {channels[1]}"

    def views(self, facts: Facts) -> Sequence[BatchTransform]:
        return views_of(facts)

    def baselines(self, data: Data, split: SplitName, seconds: float) -> Iterator[Method]:
        return estimators.predictors(data, split, thumbnails, seconds, boosting=False)

    def check(self, data: Data) -> Iterator[Finding]:
        yield from check_images(data)
        yield from check_balance(data)
        yield from check_size(data)

    def describe(self, facts: Facts) -> str:
        columns = encoder_of_columns(facts)
        joined = "" if columns is None else f" and {', '.join(columns.names)}"
        return f"{'×'.join(map(str, facts.input_shape))} pixels{joined}"

    def attribute(
        self, model: nn.Module, task: Task, facts: Facts, inputs: tuple[Tensor, ...], seconds: float = float("inf")
    ) -> Tensor | None:
        device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        prepare = self.encoder(facts).prepare
        return attribute(model, task.explained, inputs, prepare, device, seconds)

    def write_places(self, path: Path, sample: Tensor, places: Tensor) -> None:
        write_overlay(path, sample.cpu().numpy(), places.double().numpy())

    def were_trained_on(self, inputs: tuple[Stored, ...], stored: Mapping[str, Tensor]) -> Tensor | None:
        return were_trained_on(inputs[0], stored)

    def save_likeness(
        self, run: RunDir, data: Data, model: nn.Module, loaders: Mapping[SplitName, TensorLoader]
    ) -> None:
        save_likeness(run, data, model, loaders)

    def telling_unlike(self, model: UsableModel) -> AbstractContextManager[TellUnlike]:
        return telling_unlike(model)

    def save_augmented(self, run: RunDir, train: TensorLoader) -> None:
        save_augmented(run, train)

    def explain(self, model: nn.Module, task: Task, facts: Facts, loader: TensorLoader, seconds: float) -> Explanation:
        """Returns the importance of columns that join the images, and a projection of the last layer's inputs."""
        projection = project_features(model, loader.inputs, loader.prepare, seconds, max(loader.sizes))
        return Explanation(importance_beside(model, task, facts, "the image", loader, seconds), projection)


def thumbnails(split: Split) -> NDArray[np.float32]:
    """Returns the inputs of baselines for a split: about 256 grey pixels, 16×16 of a square, and the columns beside the
    images."""
    images, *columns = split.inputs
    height, width = images.shape[2:]
    size = (round(THUMBNAIL * (height / width) ** 0.5), round(THUMBNAIL * (width / height) ** 0.5))
    size = (min(max(1, size[0]), height), min(max(1, size[1]), width))
    pixels, start = torch.empty(len(images), size[0] * size[1]), 0
    for part in in_parts(images, AT_ONCE):
        grey = part.float().mean(dim=1, keepdim=True) / 255
        pixels[start : start + len(part)] = nn.functional.adaptive_avg_pool2d(grey, size).flatten(1)
        start += len(part)
    return np.asarray(torch.cat([pixels, *(column[:] for column in columns)], dim=1))
