"""The kind of data of series in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import pandas as pd
import torch
from torch import nn

from dltrain.kinds.checks import Finding, check_balance, check_size
from dltrain.kinds.kind import Kind, UsableModel
from dltrain.kinds.method import Method
from dltrain.kinds.page import KindPage
from dltrain.kinds.series import baselines
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.kinds.series.forecast import forecast
from dltrain.kinds.series.solve import solve
from dltrain.kinds.series.window_scale import WindowScaled
from dltrain.training.budget import Budget
from dltrain.types import Data, Facts, Spec, SplitName

if TYPE_CHECKING:
    from dltrain.tasks.task import Task
    from dltrain.types import Raw


class Series(Kind):
    """Windows of a series, and the steps that follow them."""

    name: ClassVar[str] = "series"
    default_model: ClassVar[str] = "auto"
    strongest_model: ClassVar[str] = "auto"
    budget: ClassVar[Budget] = Budget(batches=1000, fewest=8, most=200, large_batch=128)

    def encoder(self, facts: Facts) -> WindowEncoder:
        return WindowEncoder.of(facts)

    def page(self, facts: Facts) -> KindPage:
        from dltrain.kinds.series.page import SeriesPage

        return SeriesPage(facts)

    def window_of(self, facts: Facts) -> tuple[int, int]:
        if not facts.preprocessing:
            return (0, 0)
        encoder = WindowEncoder.of(facts)
        return encoder.window, len(encoder.names)

    def assemble(self, build: Callable[[Spec], nn.Module], facts: Facts, spec: Spec) -> nn.Module:
        if "roles" not in facts.preprocessing:  # an older run, which has nothing beside the values of one series
            return WindowScaled(build(spec))
        encoder = WindowEncoder.of(facts)
        channels = encoder.input_shape[1] - encoder.embedding_width
        return WindowScaled(
            build(replace(spec, vectors=encoder.embedding_width)),
            encoder.window if encoder.looks_ahead else None,
            len(encoder.names) if channels > len(encoder.names) else None,
            None if encoder.effects is None else torch.tensor(encoder.effects, dtype=torch.float32),
            not encoder.covariates,
            (len(encoder.states), *map(len, encoder.levels)) if encoder.is_panel else (),
            encoder.embedding_width,
        )

    def baselines(self, data: Data, split: SplitName, seconds: float) -> Iterator[Method]:
        return baselines.predictors(data, split)

    def solve(self, model: nn.Module, data: Data, task: Task) -> None:
        solve(model, data, task)

    def check(self, data: Data) -> Iterator[Finding]:
        """Yields findings; repeated samples are normal, since windows overlap."""
        yield from check_balance(data)
        yield from check_size(data)

    def describe(self, facts: Facts) -> str:
        encoder = WindowEncoder.of(facts)
        of = f" of {len(encoder.states):,} series" if encoder.is_panel else ""
        beside = [*encoder.roles.covariates, *encoder.calendar.names]
        with_them = f" with {', '.join(beside)}" if beside else ""
        return f"{encoder.window} steps of {', '.join(facts.features)}{of}{with_them}"

    def forecast(self, model: UsableModel, steps: int, history: Raw | None = None) -> tuple[pd.DataFrame, list[str]]:
        return forecast(model, steps, history)
