"""Measures where the time of a run goes (`trainer.profile`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dltrain.types import Batch, Loader

# The parts of a run, in their order; what belongs to none of them is the rest.
PARTS = (
    "imports and configuration",
    "read and encode data",
    "build and try the model",
    "solve",
    "features",
    "compile",
    "load batches",
    "forward",
    "loss and backward",
    "optimizer",
    "evaluate",
    "save",
    "explain",
    "baselines",
    "plots and page",
)


class Profile:
    """The seconds that each part of a run took.

    Attributes:
        began: `perf_counter` when the run began, or when it was built as long as that is not known.
        seconds: by the names of the parts.
    """

    def __init__(self) -> None:
        self.began = perf_counter()
        self.seconds = dict.fromkeys(PARTS, 0.0)

    def begin(self, began: float) -> None:
        """Takes the time since the command of this process began until the run was built as that of imports and
        configuration."""
        self.seconds["imports and configuration"] = self.began - began
        self.began = began

    @property
    def age(self) -> float:
        """Returns the seconds since the run began."""
        return perf_counter() - self.began

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Adds the time of the block to a part."""
        began = perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += perf_counter() - began

    @contextmanager
    def steps(self, model: nn.Module, optimizer: Optimizer, device: torch.device) -> Iterator[None]:
        """Measures forward passes, backward passes and optimizer steps of the training inside the block.

        On a GPU each of them waits until it is done, so that a step takes longer than without.
        """
        watch = _StepWatch(self.seconds, device)
        hooks = [
            model.register_forward_pre_hook(watch.before_forward),
            model.register_forward_hook(watch.after_forward),
            optimizer.register_step_pre_hook(watch.before_step),
            optimizer.register_step_post_hook(watch.after_step),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def to_json(self) -> dict[str, float]:
        """Returns the seconds of each part, of the rest and of the whole run so far."""
        total = self.age
        parts = {part: round(seconds, 4) for part, seconds in self.seconds.items()}
        return parts | {"rest": round(max(0.0, total - sum(self.seconds.values())), 4), "total": round(total, 4)}


class TimedLoader:
    """Passes on the batches of a loader, and adds the time until each of them is there to a part of a profile.

    Args:
        loader: of the training split, or of the validation split.
        profile: to add to.
        part: of the profile.
        whole: whether the time between the batches counts too, as that of an evaluation.
    """

    def __init__(self, loader: Loader, profile: Profile, part: str, *, whole: bool = False) -> None:
        self.loader, self.profile, self.part, self.whole = loader, profile, part, whole

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        if self.whole:
            with self.profile.measure(self.part):
                yield from self.loader
            return
        batches = iter(self.loader)
        while True:
            with self.profile.measure(self.part):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


class _StepWatch:
    """Adds the time between the hooks of a training step to the parts of a profile."""

    def __init__(self, seconds: dict[str, float], device: torch.device) -> None:
        self.seconds, self.device = seconds, device
        self.at = 0.0
        self.is_within_step = False  # a batch of a group has passed forward, and the optimizer has taken no step since

    def _add(self, part: str) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = perf_counter()
        if part:
            self.seconds[part] += now - self.at
        self.at = now

    def before_forward(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if model.training:
            self._add("loss and backward" if self.is_within_step else "")

    def after_forward(self, model: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        if model.training:
            self._add("forward")
            self.is_within_step = True

    def before_step(self, optimizer: Optimizer, arguments: Any, options: Mapping[str, Any]) -> None:
        self._add("loss and backward")

    def after_step(self, optimizer: Optimizer, arguments: Any, options: Mapping[str, Any]) -> None:
        self._add("optimizer")
        self.is_within_step = False
