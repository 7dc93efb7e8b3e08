"""Tells images that are unlike the training images, by where a model's last layer sees them and by their pixels.

An image is unlike the training images if it is farther from its nearest ones than nearly all of the validation split:
as the inputs of the model's last linear layer, standardised and projected to their principal components (k nearest
neighbours; Sun et al., 2022), or in a few statistics of its pixels. A network may see a blank image as an average one;
its pixels give it away. With few validation images, pixels alone tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn

from dltrain.data.algebra import on_one_thread
from dltrain.data.growing import Growing
from dltrain.data.loader import TensorLoader
from dltrain.data.stored import in_parts
from dltrain.errors import CheckpointError
from dltrain.explain.last_layer import last_layer_inputs, watching_last_layer
from dltrain.kinds.kind import TellUnlike, UsableModel
from dltrain.models.names import inner_model
from dltrain.runs.folder import RunDir
from dltrain.storage import write_bytes
from dltrain.training.checkpoint import read_tensors
from dltrain.types import Data, OnDemand, SplitName, Stored

Floats = NDArray[np.float64]

STORED, HELD_OUT = 1000, 1000  # images of train and of val at most, evenly spaced
FEWEST = 20  # images of val, below which the model's view of images tells nothing, and pixels alone do
WIDEST = 16_384  # features of a layer
COMPONENTS = 64
LEAST_VARIANCE = 1e-3  # of a component, as a share of the first one's
NEIGHBOUR = 5  # whose distance counts
QUANTILE = 0.995  # of the distances of images that the model has not seen
DEVIATIONS, FEW = 2.576, 4.0  # of their logarithms at that quantile, and more by FEW over the root of their number
BATCH, MOST_PIXELS = 128, 2**21  # images at once, and numbers in them
BRIGHTNESS = (0.05, 0.25, 0.5, 0.75, 0.95)  # quantiles


@dataclass(frozen=True)
class Space:
    """The training images as points, and how far a new one may be from them.

    Args:
        mean: of the training images, `(F,)`.
        basis: from the difference to it to coordinates of variance 1, `(F, D)`.
        points: of the training images, `(n, D)`.
        limit: the distance beyond which an image is unlike them.
    """

    mean: Tensor
    basis: Tensor
    points: Tensor
    limit: Tensor

    @classmethod
    def fit(cls, training: Floats, held_out: Floats, *, learned: bool) -> Space | None:
        """Returns the space of training images `(n, F)`; `None` if they do not vary, or are not finite.

        Args:
            training: the training images.
            held_out: images of the validation split `(m, F)`, by whose distances the limit is set.
            learned: whether the features were learned from the training images; otherwise their distances to each
                other count as well.
        """
        if not (np.isfinite(training).all() and np.isfinite(held_out).all()):
            return None
        mean, spread = training.mean(axis=0), training.std(axis=0)
        if not spread.max() > 0:
            return None
        spread = np.where(spread > 1e-6 * spread.max(), spread, spread.max())
        with on_one_thread():
            _, sizes, directions = np.linalg.svd((training - mean) / spread, full_matrices=False)
        variances = np.square(sizes) / len(training)
        count = min(COMPONENTS, int((variances > LEAST_VARIANCE * variances[0]).sum()))
        basis = directions[:count].T / (spread[:, None] * np.sqrt(variances[:count]))
        points = (training - mean) @ basis
        tensors = [torch.from_numpy(part).float() for part in (mean, basis, points)]
        space = cls(tensors[0], tensors[1], tensors[2], torch.zeros(()))
        near = space.distances(torch.from_numpy(held_out).float())
        if not learned:
            near = torch.cat([near, space.distances(torch.from_numpy(training).float(), among_themselves=True)])
        distances = near.double().numpy()
        logs = np.log(np.maximum(distances, 1e-12))
        deviations = DEVIATIONS + FEW / len(logs) ** 0.5
        limit = max(np.quantile(distances, QUANTILE, method="higher"), np.exp(logs.mean() + deviations * logs.std()))
        return cls(space.mean, space.basis, space.points, torch.tensor(limit, dtype=torch.float32))

    def distances(self, features: Tensor, *, among_themselves: bool = False) -> Tensor:
        """Returns the distance of each image to the k-th nearest training image, `(N,)`, for features `(N, F)`; without
        itself, if they are the training images."""
        coordinates = (features - self.mean) @ self.basis
        nearest = min(NEIGHBOUR + among_themselves, len(self.points))
        return torch.cdist(coordinates, self.points).kthvalue(nearest, dim=1).values

    def are_unlike(self, features: Tensor) -> Tensor:
        """Tells which images `(N,)` are too far away, or not finite."""
        return ~(self.distances(features) <= self.limit)

    def to_tensors(self, name: str) -> dict[str, Tensor]:
        """Returns the tensors that `of` reads."""
        return {f"{name}.{part}": getattr(self, part).contiguous() for part in self.__dataclass_fields__}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], name: str) -> Space:
        """Returns the space that `to_tensors` wrote.

        Raises:
            KeyError: a tensor is missing.
        """
        return cls(*(tensors[f"{name}.{part}"] for part in cls.__dataclass_fields__))


def save_likeness(run: RunDir, data: Data, model: nn.Module, loaders: Mapping[SplitName, TensorLoader]) -> None:
    """Writes the spaces of a run's training images: by pixels alone without a linear layer, or with few validation
    images, and nothing if there are few in all."""
    features: list[Floats] = []
    pixels: list[Floats] = []
    splits: tuple[tuple[SplitName, int], ...] = (("train", STORED), ("val", HELD_OUT))
    sees = "val" in loaders and "val" in data.splits and len(data.splits["val"]) >= FEWEST
    for name, most in splits:
        if name not in loaders or name not in data.splits:
            continue
        images, loader = data.splits[name].inputs[0], loaders[name]
        rows = torch.linspace(0, len(images) - 1, min(most, len(images))).round().long()
        some = images.subset(rows.tolist()) if isinstance(images, OnDemand) else images[rows]
        pixels.append(np.asarray(statistics(some).double()))
        if sees:
            batch, on_device = min(BATCH, max(loader.sizes)), rows.to(loader.target.device)
            inputs = _joined(last_layer_inputs(model, loader.inputs, loader.prepare, batch, on_device))
            sees = inputs is not None
            features += [] if inputs is None else [np.asarray(inputs.double())]
    training, held_out = pixels[0], np.concatenate([pixels[0][:0], *pixels[1:]])
    if len(training) < FEWEST or (by_pixels := Space.fit(training, held_out, learned=False)) is None:
        return
    tensors = by_pixels.to_tensors("pixels")
    if sees and (by_features := Space.fit(*features, learned=True)) is not None:
        tensors |= by_features.to_tensors("features")
    write_bytes(run.likeness, safetensors_bytes(tensors))


@contextmanager
def telling_unlike(model: UsableModel) -> Iterator[TellUnlike]:
    """Watches a model as it predicts images, and yields what tells afterwards which of them are unlike the training
    images; nothing of a run that does not know.

    Raises:
        CheckpointError: what the run knows is damaged.
    """
    path = model.run.own(model.run.likeness)
    if not path.exists():
        yield lambda inputs: None
        return
    stored: Any = read_tensors(path, fix="train again, or delete the file: predict then tells no unlike images")
    seen = _Features()
    with watching_last_layer(inner_model(model.module), seen.add) if _knows_features(stored) else nullcontext():
        yield lambda inputs: _are_unlike(model, stored, inputs, seen)


def _are_unlike(
    model: UsableModel, stored: Mapping[str, Tensor], inputs: tuple[Stored, ...], seen: _Features
) -> Tensor | None:
    """Tells which images `(N,)` are unlike the training images.

    Args:
        model: the model.
        stored: what the run knows of its training images.
        inputs: the images.
        seen: the last layer's inputs as the model predicted them; of no use if it saw them in several views or with
            another precision than the training images.
    """
    try:
        unlike = Space.of(stored, "pixels").are_unlike(statistics(inputs[0]))
        if _knows_features(stored):
            if (features := _features_of(model, inputs, seen)) is None:
                return None
            unlike |= Space.of(stored, "features").are_unlike(features)
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f"{model.run.likeness} is damaged: {error}") from None
    return unlike


def _knows_features(stored: Mapping[str, Tensor]) -> bool:
    return any(name.startswith("features.") for name in stored)


def _features_of(model: UsableModel, inputs: tuple[Stored, ...], seen: _Features) -> Tensor | None:
    """Returns the last layer's inputs for images, as `_are_unlike` takes them; `None` if there is no such layer."""
    if model.precision in ("auto", "float32") and seen.joined.count == len(inputs[0]):
        return seen.whole()
    on_device = tuple(part.to(model.device) for part in inputs)
    batch = max(1, min(BATCH, MOST_PIXELS // inputs[0].shape[1:].numel()))
    return _joined(last_layer_inputs(inner_model(model.module), on_device, model.encoder.prepare, batch))


class _Features:
    """The inputs of the last linear layer, on the CPU, batch by batch."""

    def __init__(self) -> None:
        self.joined, self.too_wide = Growing(), False

    def add(self, part: Tensor) -> None:
        """Adds those of a batch, `(B, F)`."""
        self.too_wide = self.too_wide or part.shape[1] > WIDEST
        if not self.too_wide:
            self.joined.add(part.float().cpu())

    def whole(self) -> Tensor | None:
        """Returns all of them, `(N, F)`; `None` if there are none or they are too wide."""
        return self.joined.whole() if self.joined.count and not self.too_wide else None


def _joined(features: Iterable[Tensor]) -> Tensor | None:
    """Returns the inputs of the last linear layer `(N, F)`, on the CPU; `None` if there is none or it is too wide."""
    joined = _Features()
    for part in features:
        joined.add(part)
        if joined.too_wide:
            break
    return joined.whole()


def statistics(images: Stored) -> Tensor:
    """Returns a few numbers about the pixels of each image `(N, S)`, for images `(N, C, H, W)` of uint8.

    They are mean and spread of each channel, the brightness of darker and lighter parts, and the logarithms of how much
    channels and neighbouring pixels differ.
    """
    found = Growing()
    for part in in_parts(images, BATCH):
        found.add(_statistics(part.float() / 255))
    return found.whole()


def _statistics(x: Tensor) -> Tensor:
    grey = x.mean(dim=1)
    levels = torch.tensor(BRIGHTNESS)
    parts = [x.mean(dim=(2, 3)), _log(x.std(dim=(2, 3))), torch.quantile(grey.flatten(1), levels, dim=1).T]
    if x.shape[1] == 3:
        differences = torch.stack([x[:, 0] - x[:, 1], x[:, 1] - x[:, 2]], dim=1)
        parts += [differences.mean(dim=(2, 3)), _log(differences.std(dim=(2, 3)))]
    for axis in (1, 2):
        parts.append(_log(grey.diff(dim=axis).abs().mean(dim=(1, 2)))[:, None])
    return torch.cat(parts, dim=1)


def _log(x: Tensor) -> Tensor:
    """Returns logarithms of numbers from 0 to 1, of those below one grey level of 255 that of half of it."""
    return x.clamp(min=0.5 / 255).log()
