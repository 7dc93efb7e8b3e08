"""Networks that others have trained on many images, with a new head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.models.layers.stages import Freeze, Stages
from dltrain.models.trunks import build_trunk, format_of, stages_of
from dltrain.models.weight_files import DEFAULT, find_weights, load_trunk, read_weights
from dltrain.storage import digest
from dltrain.types import InputFormat, Range, Spec

EPS = 1e-6  # features may be small: those of a network that normalises them are below 0.1
# Small, because a feature that hardly varies in training may vary in use; not 0, because other layers may follow.
SPREAD = 1e-4


class Pretrained(nn.Module):
    """A network of torchvision or timm without its last layer, and a linear head on its standardised features.

    Frozen stages stay as they are in training, with the statistics of their batch norms and without their dropout.

    Args:
        spec: of the data; inputs are `(C, H, W)`, and one grey channel is shown as three.
        name: a classifier of torchvision, or `timm/` and a model of timm.
        weights: `DEFAULT`, another name of torchvision's, a file, a folder that holds one, or none for random weights.
        freeze: `trunk` trains the head alone, `none` everything, a number all but so many stages from the input on.
        unfreeze_epoch: the number of epochs after which everything is trained.
        layer_decay: the learning rate of a stage as a share of that of the next one, the head's being `optimizer.lr`.
        dropout: before the head.
    """

    takes = ("image",)
    starting_arguments: ClassVar[tuple[str, ...]] = ("weights",)  # a trained model does not need them any more

    def __init__(
        self,
        spec: Spec,
        name: str = "resnet18",
        weights: str | None = DEFAULT,
        freeze: Freeze = "trunk",
        unfreeze_epoch: Annotated[int, Range(1)] | None = None,
        layer_decay: Annotated[float, Range(0, 1, open_low=True)] = 0.7,
        dropout: Annotated[float, Range(0, 0.99)] = 0.0,
    ) -> None:
        super().__init__()
        channels, height, _ = spec.input_shape
        if channels not in (1, 3):
            what = f"{name} takes images of three channels, and these have {channels}"
            raise ConfigError(what, where="model", fix="choose a model that takes any", override="model=cnn")
        trunk = build_trunk(name, height)
        self.trunk = trunk.module
        last = nn.Linear(trunk.width, spec.out_features)
        nn.init.normal_(last.weight, std=SPREAD)
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(nn.BatchNorm1d(trunk.width, eps=EPS, affine=False), nn.Dropout(dropout), last)

        self.stages = Stages(self.trunk, stages_of(self.trunk), freeze, unfreeze_epoch, name)
        self.layer_decay = layer_decay
        self.start_words: tuple[str, ...] = ()
        self.start_files: dict[str, str] = {}
        if weights not in (None, "none"):
            path = find_weights(name, str(weights))
            load_trunk(trunk, read_weights(path), path, name)
            self.start_words = (f"{name} with the weights of {path}; its head is new",)
            self.start_files = {path.name: digest(path)}
        self.start_words += (self.stages.describe(),)

    @classmethod
    def input_format(cls, name: str = "resnet18", weights: str | None = DEFAULT, **_: Any) -> InputFormat:
        """Returns the images that the weights were trained on; downloads these if they are not here yet.

        Raises:
            ConfigError: there is no such network, or its weights are missing.
        """
        wanted = format_of(name, weights)
        if weights not in (None, "none"):
            find_weights(name, str(weights))  # before all images are read
        return wanted

    @property
    def is_trunk_fixed(self) -> bool:
        """Tells whether only the head is trained, in every epoch."""
        return self.stages.are_fixed

    @property
    def unfreeze_epoch(self) -> int | None:
        """Returns the number of epochs after which everything is trained; None for never."""
        return self.stages.unfreeze_epoch

    @property
    def lacks_weights(self) -> str:
        """Returns why the model cannot learn unless it gets weights from elsewhere; empty if it can."""
        if self.start_files or self.stages.frozen < len(self.stages.names):
            return ""
        return "the trunk has random weights and is frozen, so that its features say little"

    @property
    def rate_scales(self) -> Mapping[str, float]:
        """Returns the learning rate of each parameter as a share of `optimizer.lr`; empty if all are equal."""
        if self.layer_decay == 1 or self.is_trunk_fixed:
            return {}
        scales = {name: 1.0 for name, _ in self.named_parameters()}
        own = self.stages.rate_scales(self.layer_decay)
        return scales | {f"trunk.{name}": scale for name, scale in own.items()}

    def freeze_for(self, epoch: int) -> None:
        """Freezes the stages that an epoch, counted from 0, does not train, and unfreezes the others."""
        self.stages.freeze_for(epoch)

    def train(self, mode: bool = True) -> Pretrained:
        """Sets the mode of the head and of stages that are trained; frozen ones stay in evaluation mode."""
        super().train(mode)
        self.stages.set_mode()
        return self

    def features(self, x: Tensor) -> Tensor:
        """Returns the trunk's outputs `(B, F)` for images `(B, C, H, W)`."""
        return self.trunk(x if x.shape[1] == 3 else x.expand(-1, 3, -1, -1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns `(B, out_features)` for images `(B, C, H, W)`, or for their features `(B, F)`."""
        return self.head(x if x.dim() == 2 else self.features(x))
