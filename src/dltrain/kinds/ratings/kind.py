"""The kind of data of ratings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

import pandas as pd
import torch
from torch import nn

from dltrain.errors import ConfigError
from dltrain.kinds.checks import Finding, check_balance, check_size
from dltrain.kinds.kind import Kind, LoaderOptions, UsableModel
from dltrain.kinds.method import Method
from dltrain.kinds.page import KindPage
from dltrain.kinds.ratings import baselines
from dltrain.kinds.ratings.encoder import PairEncoder, ranks_items
from dltrain.kinds.ratings.features import TakesItemFeatures, TakesUserFeatures
from dltrain.kinds.ratings.negatives import Negatives
from dltrain.kinds.ratings.recommend import (
    recommend,
    recommend_by_likes,
    recommend_to_all,
    save_recommendations,
)
from dltrain.kinds.ratings.solve import solve
from dltrain.models.layers.histories import ReadsHistories
from dltrain.runs.folder import RunDir
from dltrain.tasks.task import Task
from dltrain.training.budget import Budget
from dltrain.types import Data, Facts, InputFormat, Spec, SplitName

FEW_NEGATIVES = 64
MANY_SCORES = 100_000_000  # an epoch, some minutes of a core


class Ratings(Kind):
    """Pairs of a user and an item."""

    name: ClassVar[str] = "ratings"
    default_model: ClassVar[str] = "recommender"
    budget: ClassVar[Budget] = Budget(large_batch=512)
    stored_words: ClassVar[str] = "it contains what each user has rated"

    def encoder(self, facts: Facts) -> PairEncoder:
        return PairEncoder.of(facts)

    def page(self, facts: Facts) -> KindPage:
        from dltrain.kinds.ratings.page import RatingsPage

        return RatingsPage(facts)

    def input_format(self, facts: Facts) -> InputFormat | None:
        """Returns as many negatives as the weights were trained with."""
        wanted = super().input_format(facts)
        negatives = {"negatives": PairEncoder.of(facts).negatives} if ranks_items(facts) else {}
        return InputFormat({**({} if wanted is None else wanted.options), **negatives})

    def assemble(self, build: Callable[[Spec], nn.Module], facts: Facts, spec: Spec) -> nn.Module:
        """Returns the model, with vectors for features of items and users if the data has any.

        Raises:
            ConfigError: it takes none, or it reads what users have chosen, and this data does not say it.
        """
        encoder = PairEncoder.of(facts)
        alike = not (encoder.count or encoder.features.names or encoder.user_features.names)
        model = build(replace(spec, choices=encoder.ranks_items and alike))
        if isinstance(model, ReadsHistories):
            check_histories(model, encoder)
        elif encoder.split == "user":
            raise ConfigError(
                f"{type(model).__name__} has a vector for each user and learns none for those that are held out",
                where="data.split",
                fix=("choose a model that knows users by their choices, or " if alike else "")
                + "hold out the last one of each user",
                override="data.split=leave_last" if not alike else "model=ease",
                replaces="data.split" if not alike else "",
            )
        if encoder.features.names:
            if not isinstance(model, TakesItemFeatures):
                raise _no_features(model, "item")
            model.take_item_features([(), *encoder.features.of_each])
        if encoder.user_features.names:
            if not isinstance(model, TakesUserFeatures):
                raise _no_features(model, "user")
            model.take_user_features([(), *encoder.user_features.of_each], encoder.trained)
        return model

    def solve(self, model: nn.Module, data: Data, task: Task) -> None:
        solve(model, data)

    def strongest_for(self, facts: Facts) -> str:
        return "ease" if ranks_items(facts) else ""

    def loader_options(self, facts: Facts) -> LoaderOptions:
        return LoaderOptions(draw=Negatives.of(facts))

    def baselines(self, data: Data, split: SplitName, seconds: float) -> Iterator[Method]:
        return baselines.predictors(data, split, seconds)

    def check(self, data: Data) -> Iterator[Finding]:
        """Yields findings; reading has removed repeated ratings already."""
        yield from check_balance(data)
        yield from check_size(data)
        negatives, samples = PairEncoder.of(data.facts).negatives, len(data.splits["train"])
        if negatives > FEW_NEGATIVES and samples * negatives > MANY_SCORES:
            yield Finding(
                "warning",
                f"each epoch scores {samples * negatives:,} pairs, because {samples:,} choices are held against "
                f"{negatives:,} items each",
                f"data.negatives={FEW_NEGATIVES} is enough for most data",
            )

    def describe(self, facts: Facts) -> str:
        return facts.features[0] if ranks_items(facts) else " and ".join(facts.features)

    def save_extras(self, run: RunDir, data: Data, task: Task, model: nn.Module, device: torch.device) -> None:
        """Writes the recommendations for a few users."""
        save_recommendations(run, data, task, model, device)

    def recommend(self, model: UsableModel, users: Sequence[str], top: int) -> tuple[pd.DataFrame, list[str]]:
        return recommend(model, users, top)

    def recommend_to_all(self, model: UsableModel, top: int) -> Iterator[pd.DataFrame]:
        return recommend_to_all(model, top)

    def recommend_by_likes(self, model: UsableModel, likes: Sequence[str], top: int) -> tuple[pd.DataFrame, list[str]]:
        return recommend_by_likes(model, likes, top)


def _no_features(model: nn.Module, of: str) -> ConfigError:
    return ConfigError(
        f"{type(model).__name__} takes no features of {of}s",
        where=f"data.{of}_features",
        fix="leave them out, or take the built-in recommender",
        override="model=recommender",
    )


def check_histories(model: ReadsHistories, encoder: PairEncoder) -> None:
    """Checks that data says what a model asks for that reads what users have chosen.

    Raises:
        ConfigError: ratings are predicted, or the order of choices is not known.
    """
    name = type(model).__name__
    if not encoder.ranks_items:
        raise ConfigError(
            f"{name} ranks items, and this run predicts ratings",
            where="model",
            fix="learn which items users choose, or choose a model of ratings: model=recommender",
            override="data.split=leave_last",
            replaces="data.split",
        )
    if model.needs_order and not encoder.ordered:
        raise ConfigError(
            f"{name} learns what comes next, and the file does not say what users chose first: it has no times, and "
            "its rows are in no order of time",
            where="model",
            fix="give a column of times (data.time), or choose a model that needs no order",
            override="model=ease",
        )
