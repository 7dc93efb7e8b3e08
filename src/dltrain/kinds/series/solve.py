"""Solves the parts of a model of windows that are not trained, from the windows of the training split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from dltrain.kinds.series.baselines import in_scale, most_rows
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.kinds.series.window_scale import WindowScaled
from dltrain.models.ridge import Windows, solved_parts
from dltrain.tasks.task import Task
from dltrain.types import Data, Split


def solve(model: nn.Module, data: Data, task: Task) -> None:
    """Solves the parts of a model that are not trained, in the scale of its loss."""
    parts = solved_parts(model)
    if not parts:
        return
    assert isinstance(model, WindowScaled)
    encoder = WindowEncoder.of(data.facts)
    windows: Mapping[str, Windows] = {
        name: _windows(model, encoder, data.splits[name]) for name in ("train", "val") if name in data.splits
    }
    for part in parts:
        part.solve(windows["train"], windows.get("val"), task.loss.levels)


@torch.no_grad()
def _windows(model: WindowScaled, encoder: WindowEncoder, split: Split) -> Windows:
    """Returns windows of a split without missing targets, at most as many as a ridge regression takes."""
    known = np.flatnonzero(~split.target.isnan().any(dim=1).numpy())
    every = max(1, -(-len(known) // most_rows(encoder)))
    chosen = torch.from_numpy(known[::every])
    some = Split(tuple(tensor[chosen] for tensor in split.tensors), split.target[chosen], ())
    seen = model.seen(*some.tensors[:2])
    target = torch.from_numpy(in_scale(encoder, some.target.numpy().reshape(len(some), encoder.horizon, -1), some))
    target = target - seen.last - (0 if seen.after is None else seen.after)
    return Windows(seen.x, target / seen.spread, seen.spread[:, 0])
