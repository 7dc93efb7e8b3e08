"""What a kind of data offers, and the one list of kinds.

A kind is what an input is: a row of a table, a picture, a text. Everything that depends on it stands in its package:
how data is loaded and encoded, how long it trains, which baselines stand beside it, what may be odd about it, and what
its page says. Nothing outside `kinds/` asks which kind it is. A kind of one's own is a subclass of `Kind`
(docs/extending.md).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from torch import Tensor, nn

from dltrain.errors import CheckpointError, ConfigError
from dltrain.explain.explanation import Explanation
from dltrain.kinds.checks import Finding, check_balance, check_repeats, check_size
from dltrain.tasks.predictions import Predictions
from dltrain.training.budget import Budget
from dltrain.types import Data, Encoded, Encoder, Facts, RandomTransform, SplitName

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from dltrain.data.loader import TensorLoader
    from dltrain.kinds.page import KindPage
    from dltrain.runs.folder import RunDir
    from dltrain.tasks.task import Task
    from dltrain.types import Raw

Predictor = Callable[[], Predictions]


@dataclass(frozen=True)
class LoaderOptions:
    """What the loaders of a kind do beyond what all loaders do.

    Args:
        draw: what is drawn to go with a batch's stored inputs.
        bucket_by_length: whether a training batch is of samples of about the same length, their second input.
    """

    draw: RandomTransform | None = None
    bucket_by_length: bool = False


class UsableModel(Protocol):
    """What a kind needs of a trained model to forecast, to recommend or to write."""

    @property
    def facts(self) -> Facts: ...

    @property
    def task(self) -> Task: ...

    @property
    def module(self) -> nn.Module: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def encoder(self) -> Encoder: ...

    @property
    def kept(self) -> Mapping[str, Tensor]: ...

    def predict_encoded(self, encoded: Encoded, /) -> Predictions: ...


class Watcher(Protocol):
    """Looks at a model along its training."""

    def after_epoch(self, epoch: int, model: nn.Module, last: bool) -> None:
        """Looks, if it is time."""
        ...


class Kind:
    """A kind of data.

    Attributes:
        name: that `Facts.kind` records; of a kind of one's own its dotted path.
        default_model: what is proposed where a model cannot take such data.
        models_of: a built-in kind whose model families take these inputs too; may be empty.
        budget: how long and in what batches it trains, where nothing is said.
        kept_words: what the run keeps beyond its facts, in words.
    """

    name: ClassVar[str]
    default_model: ClassVar[str] = "mlp"
    models_of: ClassVar[str] = ""
    budget: ClassVar[Budget] = Budget()
    kept_words: ClassVar[str] = "it says what predictions need beyond the facts"

    def encoder(self, facts: Facts) -> Encoder:
        """Returns what encodes new samples for a model that was trained on such data.

        Raises:
            DataError: the facts do not say how training samples were encoded.
        """
        raise NotImplementedError

    def page(self, facts: Facts) -> KindPage:
        """Returns what the page of a run says of this kind of data."""
        from dltrain.kinds.page import KindPage

        return KindPage(facts)

    def wrap(self, model: nn.Module) -> nn.Module:
        """Returns the model with what stands around every model of this kind."""
        return model

    def loader_options(self, facts: Facts) -> LoaderOptions:
        """Returns what the loaders do beyond what all loaders do."""
        return LoaderOptions()

    def baselines(self, data: Data, split: SplitName) -> Iterator[tuple[str, Predictor]]:
        """Yields names of baselines, the cheapest first, and what fits one to the training split and predicts
        another."""
        yield from ()

    def check(self, data: Data) -> Iterator[Finding]:
        """Yields what is odd about the data."""
        yield from check_repeats(data)
        yield from check_balance(data)
        yield from check_size(data)

    def describe(self, facts: Facts) -> str:
        """Returns what one input is, in a few words."""
        shape = "×".join(map(str, facts.input_shape))
        return f"{shape} {'feature' if shape == '1' else 'features'}"

    def explain(self, model: nn.Module, task: Task, facts: Facts, loader: TensorLoader, seconds: float) -> Explanation:
        """Explains a trained model by a split's samples, in about so many seconds."""
        return Explanation()

    def watch(self, run: RunDir, facts: Facts, epochs: int, keep: int) -> Watcher | None:
        """Returns what looks at the model along its training, where anything does.

        Args:
            run: its folder.
            facts: of the data.
            epochs: that the run is to have.
            keep: epochs that a resumed run goes on from; what was written after them is dropped.
        """
        return None

    def save_extras(self, run: RunDir, data: Data, task: Task, model: nn.Module, device: torch.device) -> None:
        """Writes what a run of this kind keeps beside its result."""

    def forecast(self, model: UsableModel, steps: int, history: Raw | None = None) -> tuple[pd.DataFrame, list[str]]:
        """Returns the next steps of a series, and what is to be said of them.

        Raises:
            ConfigError: this kind of data has no next steps.
        """
        raise ConfigError("the run's model does not forecast: its data is no series", where="--steps")

    def recommend(self, model: UsableModel, users: Sequence[str], top: int) -> tuple[pd.DataFrame, list[str]]:
        """Returns items for users, and what is to be said of them.

        Raises:
            ConfigError: this kind of data has no users.
        """
        raise ConfigError("the run's model does not recommend: its data is no ratings", where="--user")

    def continue_text(self, model: UsableModel, prompt: str, steps: int, **sampling: Any) -> tuple[str, list[str]]:
        """Returns what follows a prompt, and the tokens of the prompt that are not known.

        Raises:
            ConfigError: this kind of data is no text to be continued.
        """
        raise ConfigError(
            f"this model predicts {model.facts.target}, and continues no text",
            where="--prompt",
            fix="give it a file to predict, or train one that does: dltrain model=transformer data=corpus",
        )


BUILT_IN: Mapping[str, str] = {
    "corpus": "dltrain.kinds.corpus.kind.Corpus",
    "image": "dltrain.kinds.image.kind.Image",
    "ratings": "dltrain.kinds.ratings.kind.Ratings",
    "series": "dltrain.kinds.series.kind.Series",
    "table": "dltrain.kinds.table.kind.Table",
    "text": "dltrain.kinds.text.kind.Text",
}

_own: dict[str, type[Kind]] = {}


def register(kind: type[Kind]) -> str:
    """Makes a kind of one's own known, and returns the name that facts record: its dotted path."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    kind.name = name
    _own[name] = kind
    return name


def is_known(name: str) -> bool:
    """Tells whether a kind is built in, or was met in this process."""
    return name in BUILT_IN or name in _own


def kind_of(facts: Facts) -> Kind:
    """Returns the kind of data that the facts are of.

    Raises:
        CheckpointError: it is of somebody's own, and has not been met.
    """
    if facts.kind in _own:
        return _own[facts.kind]()
    if facts.kind not in BUILT_IN:
        raise CheckpointError(
            f"the kind of data {facts.kind} is not built in",
            where="data",
            fix="if you know that module and trust it, say so",
            override=f"--trust={facts.kind.split('.')[0]}",
            replaces="--trust",
        )
    module, attribute = BUILT_IN[facts.kind].rsplit(".", 1)
    found: Kind = getattr(importlib.import_module(module), attribute)()
    return found


def page_of_kind(facts: Facts) -> KindPage:
    """Returns what the page of a run says of its kind of data; of one that is not known here, what holds for any."""
    from dltrain.kinds.page import UnknownPage

    return kind_of(facts).page(facts) if is_known(facts.kind) else UnknownPage(facts)
