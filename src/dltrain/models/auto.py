"""Several models of tables in one, and the blend of them that validation chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm
from typing import Annotated, Literal, get_args

import torch
from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.models.layers.activations import Activation
from dltrain.models.layers.piecewise import Embedding
from dltrain.models.linear import Linear
from dltrain.models.mlp import MLP, without_decay
from dltrain.models.tabm import TabM
from dltrain.types import InputFormat, Range, Spec

VOTES = 8  # of which a candidate has none, some or all
LINEAR_RATE, MLP_RATES, TABM_RATE = 10.0, (1.0, 2.0), 2.0  # as multiples of the learning rate
MLP_DROPOUTS = (0.3, 0.1)
TABM_MEMBERS = 4  # more would take most of the time

Candidate = Literal["linear", "mlp", "tabm"]


class Auto(nn.Module):
    """Trains several models side by side and predicts by a blend of them, which `training.blending` chooses.

    Each candidate has a loss of its own in training, so that none depends on the others. Outputs are
    `(B, members, out_features)`: in training those of all candidates, else those of the blend, in which each of
    the votes is one candidate.

    Args:
        spec: of the data.
        candidates: `linear`, `mlp` (two, of which one has more dropout and the other a higher learning rate) and
            `tabm`.
        hidden: width of each hidden layer.
        activation: between the layers.
        embed: embeds numbers as in `MLP`.
        embed_width: width of each number's embedding.
    """

    takes = ("table",)
    votes: Tensor

    def __init__(
        self,
        spec: Spec,
        candidates: Sequence[Candidate] = ("linear", "mlp", "tabm"),
        hidden: Sequence[Annotated[int, Range(1)]] = (256, 128),
        activation: Activation = "relu",
        embed: Embedding | None = "residual",
        embed_width: Annotated[int, Range(1)] = 12,
    ) -> None:
        super().__init__()
        if not candidates:
            raise ConfigError(
                "there is no model to choose from",
                where="model.candidates",
                fix="name at least one",
                override=f"model.candidates=[{','.join(get_args(Candidate))}]",
            )
        numbers = {"hidden": hidden, "activation": activation, "embed": embed, "embed_width": embed_width}

        def models(candidate: Candidate) -> list[tuple[nn.Module, float]]:
            if candidate == "linear":
                return [(Linear(spec), LINEAR_RATE)]
            if candidate == "mlp":
                return [
                    (MLP(spec, dropout=dropout, **numbers), rate)  # type: ignore[arg-type]
                    for dropout, rate in zip(MLP_DROPOUTS, MLP_RATES, strict=True)
                ]
            return [(TabM(spec, members=TABM_MEMBERS, sharing="mini", **numbers), TABM_RATE)]  # type: ignore[arg-type]

        built = {name: models(name) for name in dict.fromkeys(candidates)}
        self.models = nn.ModuleList(model for some in built.values() for model, _ in some)
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
