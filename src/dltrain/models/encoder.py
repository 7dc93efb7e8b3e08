"""Text networks that others have trained on many texts, with a new head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from dltrain.data.network_folder import find_network
from dltrain.errors import ConfigError
from dltrain.models.auto import VOTES
from dltrain.models.bag import Bag
from dltrain.models.layers.stages import Freeze, Stages
from dltrain.models.text_networks import PoolChoice, build_trunk, describe_network, load_weights_of
from dltrain.storage import digest
from dltrain.types import InputFormat, Range, Spec

EPS = 1e-6
# Of the bag: the width of its vectors, its longest n-gram, and its learning rate as a multiple of the head's.
BAG_WIDTH, BAG_NGRAMS, BAG_RATE = 32, 2, 4.0
SPREAD = 1e-4  # of the head's first weights, as in `Pretrained`
# How long it trains by default, as in `Budget`: a head for long, which takes seconds, everything for a few epochs.
BATCHES: Mapping[str, Any] = {"batch_sizes": (), "large_batch": 32}
FROZEN_BUDGET: Mapping[str, Any] = {"fewest": 30, "most": 30, **BATCHES}
TUNED_BUDGET: Mapping[str, Any] = {"samples": 25_000, "fewest": 2, "most": 10, **BATCHES}


class Encoder(nn.Module):
    """A pretrained network for texts, and a linear head on its standardised features.

    Inputs are tokens `(B, T)` and lengths `(B,)`, numbered by the network's own tokenizer. Outputs are
    `(B, out_features)`; with a bag `(B, 2, out_features)` in training, and else the votes of the blend of both, which
    `training.blending` chooses.

    Args:
        spec: of the data.
        path: the network's folder, as those of Hugging Face, sentence-transformers and model2vec are, or an installed
            package that holds one.
        pool: how the vectors of a text's tokens become one; `auto` as the folder says, else their mean.
        freeze: `trunk` trains the head alone, `none` everything, a number all but so many stages from the input on.
        unfreeze_epoch: the number of epochs after which everything is trained.
        trunk_rate: the learning rate of the trunk as a share of the head's, which is `optimizer.lr`.
        layer_decay: the learning rate of a stage as a share of that of the next one, on top of that.
        dropout: before the head.
        bag: whether a bag of the tokens (`Bag`) is trained beside the trunk, if any of that is trained; its errors
            differ.

    Raises:
        ConfigError: there is no such network, or the texts are not numbered by its tokenizer.
    """

    takes = ("text",)
    votes: Tensor
    starting_arguments: ClassVar[tuple[str, ...]] = ("path",)  # a trained model does not need it any more

    def __init__(
        self,
        spec: Spec,
        path: str | None = None,
        pool: PoolChoice = "auto",
        freeze: Freeze = "trunk",
        unfreeze_epoch: Annotated[int, Range(1)] | None = None,
        trunk_rate: Annotated[float, Range(0, 1, open_low=True)] = 0.1,
        layer_decay: Annotated[float, Range(0, 1, open_low=True)] = 0.9,
        dropout: Annotated[float, Range(0, 0.99)] = 0.1,
        bag: bool = True,
    ) -> None:
        super().__init__()
        network = spec.network
        if not network:
            what = "the texts are not numbered by the tokenizer of a pretrained network"
            raise ConfigError(what, where="model", fix="read them with data=text, which takes the encoder's tokenizer")
        self.trunk = trunk = build_trunk(network)
        longest = trunk.longest
        if longest is not None and spec.input_shape[0] > longest:
            what = f"the encoder reads at most {longest} tokens of a text, and texts have up to {spec.input_shape[0]}"
            raise ConfigError(what, where="data.length", fix="cut them", override=f"data.length={longest}")
        last = nn.Linear(trunk.width, spec.out_features)
        nn.init.normal_(last.weight, std=SPREAD)
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(nn.BatchNorm1d(trunk.width, eps=EPS, affine=False), nn.Dropout(dropout), last)
        name = str(path or "the encoder")
        self.trunk_rate, self.layer_decay = trunk_rate, layer_decay
        self.start_words: tuple[str, ...] = ()
        self.start_files: dict[str, str] = {}
        if path is not None:
            folder = find_network(path)
            if unlike := [key for key, value in describe_network(folder, pool).items() if network.get(key) != value]:
                what = f"the texts are numbered for another network than {path}, which has another {unlike[0]}"
                raise ConfigError(what, where="data.tokenizer", fix="leave it out", override="data.tokenizer=null")
            files = load_weights_of(folder, trunk)
            self.start_words = (
                f"{path} with the weights of {', '.join(file.name for file in files)}; its head is new",
            )
            self.start_files = {file.name: digest(file) for file in files}
        self.stages = Stages(trunk, trunk.stages, freeze, unfreeze_epoch, name)
        self.start_words += (self.stages.describe(),)
        self.bag = Bag(spec, BAG_WIDTH, ngrams=BAG_NGRAMS) if bag and not self.is_trunk_fixed else None
        self.candidates: Mapping[str, int] = {} if self.bag is None else {"encoder": 1, "bag": 1}
        if self.bag is not None:
            self.register_buffer("votes", torch.empty(VOTES, dtype=torch.int64))
            self.blend(None)

    @classmethod
    def input_format(cls, path: str | None = None, pool: PoolChoice = "auto", **_: Any) -> InputFormat:
        """Returns the tokens that the weights were trained on.

        Raises:
            ConfigError: there is no such network, or a package is missing.
        """
        if path is None:
            raise ConfigError(
                "model=encoder begins with a pretrained network, and none is given",
                where="model.path",
                fix="give its folder (config.json, model.safetensors, tokenizer.json) or an installed package",
            )
        folder = find_network(str(path))
        return InputFormat({"tokenizer": str(folder)}, network=describe_network(folder, pool))

    @classmethod
    def budget(cls, freeze: Freeze = "trunk", unfreeze_epoch: int | None = None, **_: Any) -> Mapping[str, Any]:
        """Returns how long it trains by default, by the fields of `Budget`."""
        return FROZEN_BUDGET if freeze == "trunk" and unfreeze_epoch is None else TUNED_BUDGET

    @property
    def is_trunk_fixed(self) -> bool:
        """Tells whether only the head is trained, in every epoch."""
        return self.stages.are_fixed

    @property
    def unfreeze_epoch(self) -> int | None:
        """Returns the number of epochs after which everything is trained; None for never."""
        return self.stages.unfreeze_epoch

    @property
    def rate_scales(self) -> Mapping[str, float]:
        """Returns the learning rate of each parameter as a share of `optimizer.lr`; empty if all are equal."""
        if self.is_trunk_fixed:
            return {}
        scales = {name: BAG_RATE if name.startswith("bag.") else 1.0 for name, _ in self.named_parameters()}
        own = self.stages.rate_scales(self.layer_decay, self.trunk_rate / self.layer_decay)
        return scales | {f"trunk.{name}": scale for name, scale in own.items()}

    @property
    def members(self) -> int:
        """Returns the number of members of an output."""
        return 1 if self.bag is None else len(self.candidates) if self.training else VOTES

    @torch.no_grad()
    def blend(self, votes: Sequence[int] | None) -> None:
        """Sets of which candidates a prediction is the mean, as `Auto.blend` does."""
        self.votes.copy_(torch.arange(VOTES) % len(self.candidates) if votes is None else torch.tensor(votes))

    def freeze_for(self, epoch: int) -> None:
        """Freezes the stages that an epoch, counted from 0, does not train, and unfreezes the others."""
        self.stages.freeze_for(epoch)

    def train(self, mode: bool = True) -> Encoder:
        """Sets the mode of the head and of stages that are trained; frozen ones stay in evaluation mode."""
        super().train(mode)
        self.stages.set_mode()
        return self

    def features(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Returns the trunk's outputs `(B, F)` for tokens `(B, T)` and lengths `(B,)`."""
        return self.trunk(x, lengths)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Returns outputs for tokens `(B, T)` and lengths `(B,)`, or those of the head for features `(B, F)` alone."""
        if self.bag is None or lengths is None:
            return self.head(x if lengths is None else self.features(x, lengths))
        members = torch.stack([self.head(self.features(x, lengths)), self.bag(x, lengths)], dim=1)
        return members if self.training else members.index_select(1, self.votes)
