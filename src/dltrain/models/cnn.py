"""The convolutional network for images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from dltrain.models.layers.activations import Activation, activation_layer
from dltrain.models.layers.pooling import AverageMaxPool
from dltrain.models.layers.whitening import Whitening
from dltrain.types import Depth, Range, Spec

FEW = 1000  # training images at most; several networks see no more of them together than one network sees of so many
PHOTO = 32  # pixels per side, from which images are photos rather than digits and letters
MEMBERS = 3  # most networks by default
FIRST = "models.0."  # begins the names of an ensemble's first network


class CNN(nn.Module):
    """Stages of convolution, normalisation, activation and pooling, then a head.

    A stage leaves the pooling out once height or width is too small to halve, so images may be of any size.

    Several networks, which differ in their initial weights, are an ensemble: outputs are `(B, members, out_features)`,
    in training each has a loss of its own, and the prediction is the mean of their predictions. In evaluation the
    outputs for an image and its mirror image are members as well.

    Args:
        spec: of the data; inputs are `(C, H, W)`.
        channels: output channels of each stage.
        convolutions: convolutions in each stage.
        kernel_size: of every convolution; odd, so that the padding keeps the size.
        norm: normalisation after each convolution; `batch` or `none`.
        activation: after each convolution or its normalisation, and after each hidden layer.
        pool: pooling by which a stage halves height and width.
        head: `average` pools each channel to its mean, `average_max` to its mean and its maximum; `flatten` keeps every
            position; `auto` is `flatten` where the outputs depend on where something stands, as with the characters of
            a string, else `average_max` after a whitening layer, and `average` without one.
        hidden: width of each hidden layer of the head.
        dropout: before each linear layer of the head.
        members: number of networks; None for 3 where at most 333 images are trained on, 2 for at most 500, else 1; 1
            for images below 32×32 pixels.
        mirror: whether a prediction is the mean over an image and its mirror image, if that keeps the image's target;
            None for where there are several networks by default and training mirrors images (`augment.hflip`).
        whiten: whether the first convolution whitens patches of the training images, which it is fitted to before
            training, and then is not trained; None for where at most 1,000 photos are trained on, and convolutions are
            normalised.
    """

    takes = ("image",)

    def __init__(
        self,
        spec: Spec,
        channels: Sequence[Annotated[int, Range(1)]] = (32, 64, 128, 256),
        convolutions: Depth = 1,
        kernel_size: Literal[1, 3, 5, 7] = 3,
        norm: Literal["batch", "none"] = "batch",
        activation: Activation = "relu",
        pool: Literal["max", "average"] = "max",
        head: Literal["auto", "average", "average_max", "flatten"] = "auto",
        hidden: Sequence[Annotated[int, Range(1)]] = (),
        dropout: Annotated[float, Range(0, 0.99)] = 0.2,
        members: Annotated[int, Range(1, 32)] | None = None,
        mirror: bool | None = None,
        whiten: bool | None = None,
    ) -> None:
        super().__init__()
        usual = default_members(spec)
        as_trained = usual > 1 and bool(spec.augment.get("hflip"))
        self.mirror = spec.mirror and (as_trained if mirror is None else mirror)
        self.networks = usual if members is None else members
        usually = norm == "batch" and has_few_photos(spec)
        self.whiten = bool(channels) and (usually if whiten is None else whiten)
        self.first_layer = "whitens patches of the images"
        if self.networks > 1:
            options = channels, convolutions, kernel_size, norm, activation, pool, head, hidden, dropout
            self.models = nn.ModuleList(
                CNN(spec, *options, members=1, mirror=False, whiten=self.whiten) for _ in range(self.networks)
            )
            return
        width, height, breadth = spec.input_shape
        layers: list[nn.Module] = []
        for next_width in channels:
            for _ in range(convolutions):
                if self.whiten and not layers:
                    layers.append(Whitening(width, next_width, kernel_size))
                else:
                    bias = norm == "none"
                    layers.append(nn.Conv2d(width, next_width, kernel_size, padding=kernel_size // 2, bias=bias))
                if norm == "batch":
                    layers.append(nn.BatchNorm2d(next_width))
                layers.append(activation_layer(activation))
                width = next_width
            if min(height, breadth) >= 2:
                layers.append(nn.MaxPool2d(2) if pool == "max" else nn.AvgPool2d(2))
                height, breadth = height // 2, breadth // 2
        self.stages = nn.Sequential(*layers)

        top: list[nn.Module] = []
        if head == "auto":
            head = "flatten" if spec.positional else "average_max" if self.whiten else "average"
        if head == "average":
            top.append(nn.AdaptiveAvgPool2d(1))
        elif head == "average_max":
            top.append(AverageMaxPool())
            width *= 2
        else:
            width *= height * breadth
        top.append(nn.Flatten())
        for next_width in hidden:
            top += [*_dropout(dropout), nn.Linear(width, next_width), activation_layer(activation)]
            width = next_width
        top += [*_dropout(dropout), nn.Linear(width, spec.out_features)]
        self.head = nn.Sequential(*top)
        self.to(memory_format=torch.channels_last)  # convolutions take three quarters of the time on a CPU

    @property
    def members(self) -> int:
        """Returns the number of members of an output: networks, in evaluation times the ways in which they see it."""
        return self.networks * (2 if self.mirror and not self.training else 1)

    @property
    def reason(self) -> str:
        """Returns in words over what a prediction is the mean, and that the first layer is not trained; empty for a
        plain network."""
        over = [f"{self.networks} networks"] * (self.networks > 1) + ["an image and its mirror image"] * self.mirror
        words = [f"a prediction is the mean over {', for '.join(over)}"] if over else []
        words += [f"the first layer {self.first_layer} and is not trained"] * self.whiten
        return "; ".join(words)

    def forward(self, x: Tensor) -> Tensor:
        """Returns `(B, out_features)`, or of several members `(B, members, out_features)`."""
        if self.members == 1:
            return self._each(x)[0]
        # The image itself comes last, so that its maps of features are those that an explanation sees.
        views = [x.flip(3), x] if self.mirror and not self.training else [x]
        return torch.stack([output for view in views for output in self._each(view)], dim=1)

    @property
    def initial_samples(self) -> int:
        """Returns how many training samples the first layer is fitted to at most; 0 if it is trained."""
        return FEW if self.whiten else 0

    def initialise_from(self, batches: Iterable[tuple[Tensor, ...]]) -> None:
        """Fits the first layer, which all networks share, to training samples."""
        first, *others = (layer for layer in self.modules() if isinstance(layer, Whitening))
        first.fit(images for images, *_ in batches)
        for layer in others:
            layer.weight.copy_(first.weight)

    def weights_from(self, saved: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Returns the weights that this model begins with, given those of one with another number of networks: each
        begins with a single network's, and a single network with those of the first."""
        self.first_layer = "is that of the earlier run"  # which may have trained it
        first = {name.removeprefix(FIRST): tensor for name, tensor in saved.items() if name.startswith(FIRST)}
        single = first or saved
        if self.networks == 1:
            return single
        count = len({name.split(".")[1] for name in saved}) if first else 1
        if count == self.networks:
            return saved
        return {f"models.{number}.{name}": single[name] for number in range(self.networks) for name in single}

    def _each(self, x: Tensor) -> list[Tensor]:
        """Returns the output `(B, out_features)` of each network."""
        return [self.head(self.stages(x))] if self.networks == 1 else [model(x) for model in self.models]


def has_few_photos(spec: Spec) -> bool:
    """Tells whether the training images are photos, and few."""
    return 0 < spec.samples <= FEW and min(spec.input_shape[1:]) >= PHOTO and not spec.positional


def default_members(spec: Spec) -> int:
    """Returns how many networks learn such data by default; one where there is one for each fold already."""
    return min(MEMBERS, FEW // spec.samples) if has_few_photos(spec) and not spec.folds else 1


def _dropout(probability: float) -> list[nn.Module]:
    return [nn.Dropout(probability)] if probability else []
