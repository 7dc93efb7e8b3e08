"""Several models in one, and the blend of them that validation chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import lcm
from typing import Annotated, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.models.dlinear import DLinear
from dltrain.models.layers.activations import Activation
from dltrain.models.layers.piecewise import Embedding
from dltrain.models.linear import Linear
from dltrain.models.mlp import MLP, without_decay
from dltrain.models.nhits import NHiTS
from dltrain.models.patchtst import PatchTST
from dltrain.models.ridge import Ridge
from dltrain.models.tabm import TabM
from dltrain.models.tide import TiDE
from dltrain.types import InputFormat, Range, Spec

VOTES = 8  # of which a candidate has none, some or all
LINEAR_RATE, MLP_RATES, TABM_RATE = 10.0, (1.0, 2.0), 2.0  # as multiples of the learning rate
MLP_DROPOUTS = (0.3, 0.1)
TABM_MEMBERS = 4  # more would take most of the time
MOST_PATCHES = (
    5_000_000  # of all columns of all training windows, an hour of one core; above, N-HiTS is a tenth of that
)
PATCH_STRIDE = 8

Candidate = Literal["linear", "mlp", "tabm", "ridge", "dlinear", "patchtst", "nhits", "tide"]


class Part(NamedTuple):
    """One of the models of a candidate.

    Args:
        model: its class.
        rate: its learning rate, as a multiple of the usual one.
        arguments: of its own.
        dense: whether it takes the width of hidden layers and what belongs to it.
    """

    model: Callable[..., nn.Module]
    rate: float = 1.0
    arguments: Mapping[str, Any] = {}
    dense: bool = False


class Parts(NamedTuple):
    """The models of a candidate, the kind of data that it is a candidate for, and whether it is one without being
    named."""

    takes: str
    usual: bool
    parts: Sequence[Part]


CANDIDATES: Mapping[Candidate, Parts] = {
    "linear": Parts("table", True, [Part(Linear, LINEAR_RATE)]),
    "mlp": Parts(
        "table",
        True,
        [Part(MLP, rate, {"dropout": share}, True) for share, rate in zip(MLP_DROPOUTS, MLP_RATES, strict=True)],
    ),
    "tabm": Parts("table", True, [Part(TabM, TABM_RATE, {"members": TABM_MEMBERS, "sharing": "mini"}, True)]),
    "ridge": Parts("series", True, [Part(Ridge)]),
    "dlinear": Parts("series", True, [Part(DLinear)]),
    "patchtst": Parts("series", True, [Part(PatchTST)]),
    "nhits": Parts("series", False, [Part(NHiTS)]),
    "tide": Parts("series", False, [Part(TiDE)]),
}


class Auto(nn.Module):
    """Trains several models side by side and predicts by a blend of them, which `training.blending` chooses.

    Each candidate has a loss of its own in training, so that none depends on the others. Outputs are
    `(B, members, out_features)`: in training those of all candidates, else those of the blend, in which each of
    the votes is one candidate.

    Args:
        spec: of the data.
        candidates: of tables `linear`, `mlp` (two, of which one has more dropout and the other a higher learning rate)
            and `tabm`; of series `ridge`, `dlinear`, `patchtst`, `nhits` and `tide`; None for the usual ones, which are
            all of a table and the first three of a series, `nhits` in place of `patchtst` where that would take hours.
        hidden: width of each hidden layer of `mlp` and `tabm`.
        activation: between these layers.
        embed: embeds numbers as in `MLP`.
        embed_width: width of each number's embedding.

    Raises:
        ConfigError: there is no candidate, or one is for other data.
    """

    takes = ("table", "series")
    notes: tuple[str, ...] = ()
    votes: Tensor

    def __init__(
        self,
        spec: Spec,
        candidates: Sequence[Candidate] | None = None,
        hidden: Sequence[Annotated[int, Range(1)]] = (256, 128),
        activation: Activation = "relu",
        embed: Embedding | None = "residual",
        embed_width: Annotated[int, Range(1)] = 12,
    ) -> None:
        super().__init__()
        if candidates is None and _is_large(spec):
            self.notes = ("patchtst would take hours, so that nhits is tried in its place: model.candidates",)
        numbers = {"hidden": hidden, "activation": activation, "embed": embed, "embed_width": embed_width}
        built = {
            name: [(part.model(spec, **part.arguments, **(numbers if part.dense else {})), part.rate) for part in parts]
            for name, parts in _chosen(spec, candidates).items()
        }
        self.models = nn.ModuleList(model for some in built.values() for model, _ in some)
        if not any(True for _ in self.models.parameters()):
            raise ConfigError(
                f"{' and '.join(built)} alone is solved, and there is nothing to train",
                where="model.candidates",
                fix="name a model that is trained as well",
                override=f"model.candidates=[{','.join(_usual(spec))}]",
            )
        self.candidates: Mapping[str, int] = {
            name: sum(getattr(model, "members", 1) for model, _ in some) for name, some in built.items()
        }
        rates = [rate for some in built.values() for _, rate in some]
        self.rate_scales = {
            f"models.{at}.{parameter}": rate
            for at, rate in enumerate(rates)
            for parameter, _ in self.models[at].named_parameters()
        }
        self.no_decay = without_decay(self)
        self.register_buffer("votes", torch.empty(VOTES * lcm(*self.candidates.values()), dtype=torch.int64))
        self.blend(None)

    @staticmethod
    def input_format(**config: object) -> InputFormat:
        """Returns that small tables should be trained on in folds."""
        return InputFormat({"folds": "auto"})

    @property
    def members(self) -> int:
        """Returns the number of members of an output."""
        return sum(self.candidates.values()) if self.training else len(self.votes)

    @torch.no_grad()
    def blend(self, votes: Sequence[int] | None) -> None:
        """Sets of which candidates a prediction is the mean.

        Args:
            votes: 8 numbers of candidates; none to return the members of all candidates in evaluation, from the first
                on.
        """
        ends = torch.tensor([0, *self.candidates.values()]).cumsum(0).tolist()
        if votes is None:
            self.votes.copy_(torch.arange(len(self.votes)) % ends[-1])
            return
        repeated = len(self.votes) // len(votes)
        chosen = [torch.arange(repeated) % (ends[vote + 1] - ends[vote]) + ends[vote] for vote in votes]
        self.votes.copy_(torch.cat(chosen))

    def forward(self, x: Tensor) -> Tensor:
        outputs = [model(x) for model in self.models]
        members = torch.cat([output if output.dim() == 3 else output[:, None] for output in outputs], dim=1)
        return members if self.training else members.index_select(1, self.votes)


def _chosen(spec: Spec, names: Sequence[Candidate] | None) -> dict[Candidate, Sequence[Part]]:
    """Returns the models of each candidate.

    Raises:
        ConfigError: there is none, or one is for other data.
    """
    fitting = {name: one for name, one in CANDIDATES.items() if one.takes == spec.kind}
    names = _usual(spec) if names is None else list(dict.fromkeys(names))
    strange = [name for name in names if name not in fitting]
    if strange or not names:
        raise ConfigError(
            f"{strange[0]} is no candidate for {spec.kind} data" if strange else "there is no model to choose from",
            where="model.candidates",
            fix=f"name some of {', '.join(fitting)}" if strange else "name at least one",
            override=f"model.candidates=[{','.join(_usual(spec))}]",
        )
    return {name: fitting[name].parts for name in names}


def _usual(spec: Spec) -> list[Candidate]:
    """Returns the candidates for such data that need not be named."""
    usual = [name for name, one in CANDIDATES.items() if one.takes == spec.kind and one.usual]
    return ["nhits" if name == "patchtst" and _is_large(spec) else name for name in usual]


def _is_large(spec: Spec) -> bool:
    """Tells whether a series has so many patches that a transformer over them takes hours."""
    return spec.samples * spec.columns * (spec.steps // PATCH_STRIDE + 1) > MOST_PATCHES
