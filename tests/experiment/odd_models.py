"""Models as people write them, each with one fault or one peculiarity; `test_trial.py` tries them on iris."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.types import Spec


class Sound(nn.Module):
    def __init__(self, spec: Spec, width: int = 8) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(spec.input_shape[0], width), nn.Linear(width, spec.out_features)

    def hidden(self, x: Tensor) -> Tensor:
        return self.first(x).tanh()

    def forward(self, x: Tensor) -> Any:
        return self.last(self.hidden(x))


@dataclass
class Output:
    logits: Tensor
    loss: Tensor | None = None


class Pair(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x), self.hidden(x)


class Named(Sound):
    def forward(self, x: Tensor) -> Any:
        return {"hidden": self.hidden(x), "logits": super().forward(x)}


class Packed(Sound):
    def forward(self, x: Tensor) -> Any:
        return Output(super().forward(x))


class Auxiliary(Sound):
    def forward(self, x: Tensor) -> Any:
        output = super().forward(x)
        return (output, output) if self.training else output


class Masked(Sound):
    def forward(self, x: Tensor, *, mask: Tensor) -> Any:  # type: ignore[override]
        return super().forward(x) * mask


class TwoInputs(Sound):
    def forward(self, x: Tensor, other: Tensor) -> Any:  # type: ignore[override]
        return super().forward(x) + other


class Nothing(Sound):
    def forward(self, x: Tensor) -> Any:
        super().forward(x)


class Numpy(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).numpy(force=True)


class Keyed(Sound):
    def forward(self, x: Tensor, **options: Any) -> Any:
        return super().forward(x) * options["scale"]


class Integers(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).long()


class Booleans(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x) > 0


class Complex(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x) * 1j


class Summed(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).sum(dim=0)


class Narrow(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x)[:, :2]


class BatchOfTwo(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).view(2, -1)


class Several(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x)[:, None].expand(-1, 4, -1)


class SaysSeveral(Several):
    members = 4


class ListsSeveral(Several):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.members = nn.ModuleList(nn.Identity() for _ in range(4))


class NotANumber(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).sub(1e9).log()


class BornInfinite(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.scale = nn.Parameter(torch.full((1,), torch.inf))

    def forward(self, x: Tensor) -> Any:
        return super().forward(x) * self.scale


class FailsInTraining(Sound):
    def forward(self, x: Tensor) -> Any:
        if self.training:
            raise KeyError("momentum")
        return super().forward(x)


class FailsInEvaluation(Sound):
    def forward(self, x: Tensor) -> Any:
        assert self.training, "only for training"
        return super().forward(x)


class Double(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.double()


class Detached(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).detach()


class NotDifferentiable(Sound):
    def forward(self, x: Tensor) -> Any:
        y = self.first(x).exp()
        y += 1
        return self.last(y)


class Frozen(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.requires_grad_(False)


class ListedAll(nn.Module):
    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.layers = [nn.Linear(spec.input_shape[0], spec.out_features)]

    def forward(self, x: Tensor) -> Any:
        return self.layers[0](x)


class Listed(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.extra = [[nn.Linear(8, 8)], nn.ReLU()]

    def hidden(self, x: Tensor) -> Tensor:
        return self.extra[0][0](super().hidden(x))  # type: ignore[index]


class Mapped(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.heads = {"a": nn.Linear(8, 3)}


class ListedParameters(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.scales = [nn.Parameter(torch.ones(3))]


class Loose(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.scale = torch.ones(3, requires_grad=True)


class Holder:
    def __init__(self) -> None:
        self.layer = nn.Linear(8, 3)


class Held(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.holder = Holder()


class Enclosed(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        layer = nn.Linear(8, 8)
        self.change = lambda x: layer(x)

    def hidden(self, x: Tensor) -> Tensor:
        return self.change(super().hidden(x))


class Partly(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.change = functools.partial(functional.linear, weight=nn.Parameter(torch.eye(8)))


class ListedDropout(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.drops = (nn.Dropout(0.5),)


GLOBAL = nn.Linear(8, 8)


class Elsewhere(Sound):
    def hidden(self, x: Tensor) -> Tensor:
        return GLOBAL(super().hidden(x))


class DrawsAlways(Sound):
    def hidden(self, x: Tensor) -> Tensor:
        return functional.dropout(super().hidden(x), 0.5)


class ChangesInput(Sound):
    def forward(self, x: Tensor) -> Any:
        x *= 2
        return super().forward(x)


class KeepsGraph(Sound):
    state: Tensor | None = None

    def hidden(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().hidden(x)
        self.state = super().hidden(x) + (0 if self.state is None else self.state.mean())
        return self.state


class KeepsForLooking(Sound):
    def hidden(self, x: Tensor) -> Tensor:
        self.seen = super().hidden(x)
        return self.seen


class ReplacesBuffer(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.register_buffer("mean", torch.zeros(1))

    def hidden(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean()
        return super().hidden(x) - self.mean


class SavesMore(Sound):
    def get_extra_state(self) -> Any:
        return {"version": 1}

    def set_extra_state(self, state: Any) -> None: ...


class Hungry(Sound):
    def forward(self, x: Tensor) -> Any:
        return torch.empty(2**45)


class ForgetsSuper(nn.Module):
    def __init__(self, spec: Spec) -> None:
        self.layer = nn.Linear(4, 3)


class ForgetsSuperWithoutLayers(nn.Module):
    def __init__(self, spec: Spec) -> None:
        self.width = 3


class Raises(nn.Module):
    def __init__(self, spec: Spec) -> None:
        super().__init__()
        {}["vocabulary"]


class Exits(nn.Module):
    def __init__(self, spec: Spec) -> None:
        raise SystemExit("no licence")


class OpensAFile(nn.Module):
    def __init__(self, spec: Spec) -> None:
        super().__init__()
        torch.load("missing.pt")


class OnMeta(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.to("meta")


class UnusedLazy(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.extra = nn.LazyLinear(3)


class LazyThatFails(nn.Module):
    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.layer = nn.LazyConv2d(3, 3)

    def forward(self, x: Tensor) -> Any:
        return self.layer(x)


def number(spec: Spec) -> int:
    return 3


class NormalisedByBatch(Sound):
    def hidden(self, x: Tensor) -> Tensor:
        h = super().hidden(x)
        return (h - h.mean(dim=0)) / h.std(dim=0)


class Squeezed(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).squeeze()


class ScaledByBatch(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x) * len(x)


class Numbered(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x) + 0.1 * torch.arange(len(x))[:, None]


class Remembers(Sound):
    before: Tensor | None = None

    def hidden(self, x: Tensor) -> Tensor:
        mean = super().hidden(x).detach().mean(dim=0)
        self.before = mean if self.before is None else 0.9 * self.before + 0.1 * mean
        return super().hidden(x) + self.before


class CreatesLayer(Sound):
    def hidden(self, x: Tensor) -> Tensor:
        if not hasattr(self, "late"):
            self.late = nn.Linear(8, 8)
        return self.late(super().hidden(x))


class CreatesInTraining(Sound):
    def hidden(self, x: Tensor) -> Tensor:
        if self.training and not hasattr(self, "gain"):
            self.gain = nn.Parameter(torch.ones(8))
        return super().hidden(x) * getattr(self, "gain", 1)


class CreatesBuffer(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.register_buffer("mean", None)

    def hidden(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean = super().hidden(x).detach().mean(dim=0)
        return super().hidden(x) - (0 if self.mean is None else self.mean)


class RunningNumber(Sound):
    mean: Any = 0.0

    def hidden(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean = 0.9 * self.mean + 0.1
        return super().hidden(x) - self.mean


class RunningTensor(RunningNumber):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.mean = torch.zeros(8)


class LaterNumber(Sound):
    """Keeps a number that matters after the first steps alone."""

    calls = 0

    def hidden(self, x: Tensor) -> Tensor:
        self.calls += self.training
        return super().hidden(x) * (1 if self.calls < 3 else self.calls)


class BornElsewhere(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        BIRTHS.append(len(BIRTHS))
        self.change = functools.partial(torch.add, len(BIRTHS))

    def hidden(self, x: Tensor) -> Tensor:
        return self.change(super().hidden(x))


BIRTHS: list[int] = []


class ChangesInputInTraining(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x.mul_(0.5) if self.training else x)


class DrawsALittle(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x) * (1 + 3e-4 * torch.randn(1))


# What is sound, whatever it looks like.


class Slopes(Sound):
    """Differentiates with respect to its input, as physics-informed models do."""

    def hidden(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.clone().requires_grad_()
            (slope,) = torch.autograd.grad(super().hidden(x).sum(), x, create_graph=True)
        return super().hidden(x) + slope.sum(dim=1, keepdim=True)


def scripted(spec: Spec) -> nn.Module:
    return torch.jit.script(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)))


def traced(spec: Spec) -> nn.Module:
    layers = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    return torch.jit.trace(layers, torch.zeros(2, 4))


class PartlyDetached(Sound):
    def hidden(self, x: Tensor) -> Tensor:
        return super().hidden(x).detach()


class EndsWithSoftmax(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).softmax(dim=1)


class EndsWithOwnSoftmax(Sound):
    def forward(self, x: Tensor) -> Any:
        powers = super().forward(x).exp()
        return powers / powers.sum(dim=1, keepdim=True)


class EndsWithSigmoid(Sound):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).sigmoid()[:, None].squeeze(1)


class CachesBuffer(Sound):
    """Computes a constant when it is first needed, as rotary positions are."""

    def hidden(self, x: Tensor) -> Tensor:
        if not hasattr(self, "turns"):
            self.register_buffer("turns", torch.arange(8.0).sin(), persistent=False)
        return super().hidden(x) + self.turns


class Unused(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.extra = nn.Linear(3, 3)


class PartlyFrozen(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.first.requires_grad_(False)


class Tied(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.again, self.weight = self.last, self.last.weight


class Locked(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.lock = threading.Lock()


class Wrapped(Sound):
    """Calls a layer as wrappers call what they stand around."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.wrapped = nn.Linear(8, 8)

    def hidden(self, x: Tensor) -> Tensor:
        return self.wrapped(super().hidden(x))


class DoubleInside(Double):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x.double())


class ListsWhatIsKnown(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.order = [self.first, nn.Tanh(), self.last]
        self.above = (self,)


class FrozenTeacher(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.teacher = [nn.Linear(4, 8).requires_grad_(False).eval()]

    def hidden(self, x: Tensor) -> Tensor:
        return super().hidden(x) + self.teacher[0](x)


class Fourier(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec, 16)
        self.frequencies = torch.randn(spec.input_shape[0], 8)

    def hidden(self, x: Tensor) -> Tensor:
        turns = x @ self.frequencies
        return torch.cat([turns.sin(), turns.cos()], dim=1)


class Buffered(Fourier):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        frequencies = self.__dict__.pop("frequencies")
        self.register_buffer("frequencies", frequencies, persistent=False)


class Lazy(nn.Module):
    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(spec.out_features))
        self.side = nn.LazyLinear(spec.out_features)

    def forward(self, x: Tensor) -> Any:
        return self.net(x) + (self.side(x) if self.training else 0)


class NormalisedDropped(Sound):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.norm, self.drop = nn.BatchNorm1d(8), nn.Dropout(0.3)

    def hidden(self, x: Tensor) -> Tensor:
        return self.drop(self.norm(super().hidden(x)))


def small(spec: Spec, width: int = 4) -> nn.Module:
    return Sound(spec, width)
