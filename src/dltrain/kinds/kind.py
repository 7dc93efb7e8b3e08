"""The interface of a kind of data, and the registry of kinds.

A kind is what an input is: a row of a table, an image, a text. Everything that depends on it is in its package: how
data is loaded and encoded, how long it trains, its baselines, its checks, and the parts of its page. Nothing outside
`kinds/` asks which kind it is. A kind of the user's own is a subclass of `Kind` (docs/extending.md).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from torch import Tensor, nn

from dltrain.errors import LEAVE_OUT, CheckpointError, ConfigError
from dltrain.explain.explanation import Explanation
from dltrain.kinds.checks import Finding, check_balance, check_repeats, check_size
from dltrain.kinds.method import Method
from dltrain.tasks.predictions import Predictions
from dltrain.training.budget import Budget
from dltrain.types import (
    BatchTransform,
    Data,
    Encoded,
    Encoder,
    Facts,
    InputFormat,
    RandomTransform,
    Spec,
    SplitName,
    Stored,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch
    from numpy.typing import NDArray

    from dltrain.data.loader import TensorLoader
    from dltrain.kinds.page import KindPage
    from dltrain.runs.folder import RunDir
    from dltrain.tasks.precision import Precision
    from dltrain.tasks.task import Task
    from dltrain.types import Raw


@dataclass(frozen=True)
class LoaderOptions:
    """The options of a kind's loaders.

    Args:
        draw: draws random inputs for a batch, such as negatives.
        fixed_draw: draws the same for every batch of an evaluation, whatever their size, also of a finished run; None
            where an evaluation takes `draw`, or needs none.
        bucket_by_length: whether a training batch has samples of about the same length, their second input.
    """

    draw: RandomTransform | None = None
    fixed_draw: RandomTransform | None = None
    bucket_by_length: bool = False


class UsableModel(Protocol):
    """A trained model that can forecast, recommend or write."""

    @property
    def run(self) -> RunDir: ...

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

    @property
    def precision(self) -> Precision: ...

    def predict_encoded(self, encoded: Encoded, /) -> Predictions: ...


TellUnlike = Callable[[tuple[Stored, ...]], Tensor | None]


class Watcher(Protocol):
    """Observes a model during its training."""

    def after_epoch(self, epoch: int, model: nn.Module, last: bool) -> None:
        """Observes the model after an epoch."""
        ...


class Kind:
    """A kind of data.

    Attributes:
        name: the name in `Facts.kind`; for a user's own kind its dotted path.
        default_model: the model that is proposed if a model does not support such data.
        strongest_model: the model that is proposed if a baseline is better than another one; may be empty.
        models_of: a built-in kind whose models also take these inputs; may be empty.
        budget: the default number of epochs and batch size.
        has_places: whether `attribute` and `write_places` work.
        stored_words: what the run keeps beyond its facts, in words.
        unlike_words: the remark on samples that are unlike those of training.
        answers_prompts: whether a prompt is a sample, of which the prediction is the answer.
        samples_stand_alone: whether some samples of a split mean the same without the others between them.
    """

    name: ClassVar[str]
    default_model: ClassVar[str] = "mlp"
    strongest_model: ClassVar[str] = ""
    models_of: ClassVar[str] = ""
    budget: ClassVar[Budget] = Budget()
    has_places: ClassVar[bool] = False
    stored_words: ClassVar[str] = "predictions need it"
    unlike_words: ClassVar[str] = "unlike the training samples"
    answers_prompts: ClassVar[bool] = False
    samples_stand_alone: ClassVar[bool] = True

    def encoder(self, facts: Facts) -> Encoder:
        """Returns the encoder of new samples for a model that was trained on data with these facts.

        Raises:
            DataError: the facts do not say how training samples were encoded.
        """
        raise NotImplementedError

    def page(self, facts: Facts) -> KindPage:
        """Returns the parts of a run's page for this kind of data."""
        from dltrain.kinds.page import KindPage

        return KindPage(facts)

    def strongest_for(self, facts: Facts) -> str:
        """Returns the model that is proposed if a baseline is better than another one; may be empty."""
        return self.strongest_model

    def input_format(self, facts: Facts) -> InputFormat | None:
        """Returns what a model that begins with the weights of a run with these facts should get; None for anything.

        By default as many folds, since there is a model for each.
        """
        return InputFormat({"folds": facts.folds or "none"})

    def suit(self, data: Data, wanted: InputFormat) -> Data:
        """Returns data whose inputs a model gets as its weights ask for, as far as loading has not seen to it."""
        return data

    def as_begun(self, data: Data, before: Facts) -> Data:
        """Returns data with those facts of the run whose weights a model begins with by which the model was built."""
        return data

    def why_unlike(self, before: Facts, now: Facts) -> str:
        """Returns why weights of a model for data with the facts `before` mean nothing for other data of this kind;
        empty if its inputs are of the same meaning."""
        if before.features != now.features:
            return f"its inputs are {_shortened(before.features)}, and here they are {_shortened(now.features)}"
        if before.vocab_sizes != now.vocab_sizes or (now.vocab_sizes and before.preprocessing != now.preprocessing):
            return "its inputs are numbered otherwise, such as by another vocabulary"
        return ""

    def views(self, facts: Facts) -> Sequence[BatchTransform]:
        """Returns the ways in which a prepared sample is seen for test-time augmentation, the sample itself first.

        Raises:
            ConfigError: there are no others that keep its target.
        """
        what = "test-time augmentation is for images, which can be shifted and mirrored"
        raise ConfigError(what, where="--tta", fix="leave out --tta", override=LEAVE_OUT, replaces="--tta")

    def assemble(self, build: Callable[[Spec], nn.Module], facts: Facts, spec: Spec) -> nn.Module:
        """Returns the whole model for data with these facts.

        Args:
            build: builds the model that the user picks, for a spec.
            facts: the facts of the data.
            spec: what the whole model must fit.
        """
        return build(spec)

    def solve(self, model: nn.Module, data: Data, task: Task) -> None:
        """Gives the parts of a new model that are solved instead of trained their weights."""

    def window_of(self, facts: Facts) -> tuple[int, int]:
        """Returns `steps` and `columns` of a model's spec."""
        return (0, 0)

    def loader_options(self, facts: Facts) -> LoaderOptions:
        """Returns the options of the loaders."""
        return LoaderOptions()

    def baselines(self, data: Data, split: SplitName, seconds: float) -> Iterator[Method]:
        """Yields baselines, the cheapest first, that are fitted to the training split and predict another split.

        Args:
            data: the data.
            split: the split to predict.
            seconds: about how long they may take in all; the caller stops after that.
        """
        yield from ()

    def part_of(self, data: Data, split: SplitName, chosen: NDArray[np.int64]) -> Data:
        """Returns data of which a split holds some of its samples alone, given their positions."""
        return replace(data, splits={**data.splits, split: data.splits[split].of(chosen)})

    def check(self, data: Data) -> Iterator[Finding]:
        """Yields findings about the data."""
        yield from check_repeats(data)
        yield from check_balance(data)
        yield from check_size(data)

    def describe(self, facts: Facts) -> str:
        """Describes one input in a few words."""
        shape = "×".join(map(str, facts.input_shape))
        return f"{shape} {'feature' if shape == '1' else 'features'}"

    def explain(self, model: nn.Module, task: Task, facts: Facts, loader: TensorLoader, seconds: float) -> Explanation:
        """Returns an explanation of a trained model on a split's samples, in about `seconds`."""
        return Explanation()

    def attribute(
        self, model: nn.Module, task: Task, facts: Facts, inputs: tuple[Tensor, ...], seconds: float = float("inf")
    ) -> Tensor | None:
        """Returns how much each place of stored inputs speaks for the model's answer, from 0 to 1, on the CPU; `None`
        if this kind of data has no places.

        Args:
            model: trained.
            task: of the model.
            facts: of the data.
            inputs: `(N, ...)` each.
            seconds: after which no further samples are explained, so that the result is shorter.
        """
        return None

    def write_places(self, path: Path, sample: Tensor, places: Tensor) -> None:
        """Writes a sample's stored input and its places, as `attribute` returns them, as a PNG.

        Raises:
            StorageError: it cannot be written.
        """
        raise NotImplementedError

    def were_trained_on(self, inputs: tuple[Stored, ...], stored: Mapping[str, Tensor]) -> Tensor | None:
        """Tells which of new samples `(N,)` are exactly some that the model was trained on; `None` if nobody knows.

        Args:
            inputs: of the samples, as they are stored.
            stored: tensors that the run stores beyond the facts, as in `Data.kept`.
        """
        return None

    def save_likeness(
        self, run: RunDir, data: Data, model: nn.Module, loaders: Mapping[SplitName, TensorLoader]
    ) -> None:
        """Writes what tells samples that are unlike those of training; nothing where that cannot be told.

        Args:
            run: the run's folder.
            data: the data.
            model: trained.
            loaders: of the splits, in their order; what they yield may be features that were computed before.
        """

    def telling_unlike(self, model: UsableModel) -> AbstractContextManager[TellUnlike]:
        """Watches a trained model as it predicts new samples, and yields what tells afterwards, given their stored
        inputs, which of them `(N,)` are unlike those of training; `None` if the run does not know."""
        return nullcontext(lambda inputs: None)

    def watch(self, run: RunDir, facts: Facts, epochs: int, keep: int) -> Watcher | None:
        """Returns a watcher of the model during its training, None for none.

        Args:
            run: the run's folder.
            facts: the facts of the data.
            epochs: the number of epochs of the run.
            keep: the epoch that a resumed run continues from; later output is dropped.
        """
        return None

    def save_augmented(self, run: RunDir, train: TensorLoader) -> None:
        """Writes a few training samples as the augmentation shows them to the network, for the page."""

    def save_extras(self, run: RunDir, data: Data, task: Task, model: nn.Module, device: torch.device) -> None:
        """Writes additional files of this kind next to the result."""

    def forecast(self, model: UsableModel, steps: int, history: Raw | None = None) -> tuple[pd.DataFrame, list[str]]:
        """Returns the next steps of a series, and remarks about them.

        Raises:
            ConfigError: this kind of data is not a series.
        """
        raise ConfigError("the run's model does not forecast: its data is not a series", where="--steps")

    def recommend(self, model: UsableModel, users: Sequence[str], top: int) -> tuple[pd.DataFrame, list[str]]:
        """Returns items for users, and remarks about them.

        Raises:
            ConfigError: this kind of data has no users.
        """
        raise ConfigError("the run's model does not recommend: its data is not ratings", where="--user")

    def recommend_to_all(self, model: UsableModel, top: int) -> Iterator[pd.DataFrame]:
        """Yields items for all users of training, part by part.

        Raises:
            ConfigError: this kind of data has no users.
        """
        raise ConfigError("the run's model does not recommend: its data is not ratings", where="--everyone")

    def recommend_by_likes(self, model: UsableModel, likes: Sequence[str], top: int) -> tuple[pd.DataFrame, list[str]]:
        """Returns items for a new user who likes some items, and remarks about these.

        Raises:
            ConfigError: this kind of data has no users, or the model knows none of the items.
        """
        raise ConfigError("the run's model does not recommend: its data is not ratings", where="--likes")

    def continue_text(self, model: UsableModel, prompt: str, steps: int, **sampling: Any) -> tuple[str, list[str]]:
        """Returns the text that continues a prompt, and the prompt's unknown tokens.

        Raises:
            ConfigError: this kind of data is not for language models.
        """
        raise ConfigError(
            f"this model predicts {model.facts.target}; it does not continue text",
            where="--prompt",
            fix="give it a file to predict, or train a language model: dltrain model=transformer data=corpus",
        )


def _shortened(names: Sequence[str]) -> str:
    return ", ".join([*names[:3], *(["..."] if len(names) > 3 else [])]) or "none"


BUILT_IN: Mapping[str, str] = {
    "corpus": "dltrain.kinds.corpus.kind.Corpus",
    "image": "dltrain.kinds.image.kind.Image",
    "pairs": "dltrain.kinds.pairs.kind.Pairs",
    "ratings": "dltrain.kinds.ratings.kind.Ratings",
    "series": "dltrain.kinds.series.kind.Series",
    "table": "dltrain.kinds.table.kind.Table",
    "text": "dltrain.kinds.text.kind.Text",
    "words": "dltrain.kinds.words.kind.Words",
}

_own: dict[str, type[Kind]] = {}


def register(kind: type[Kind]) -> str:
    """Registers a user's own kind, and returns the name that facts record: its dotted path."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    kind.name = name
    _own[name] = kind
    return name


def is_known(name: str) -> bool:
    """Tells whether a kind is built in or registered in this process."""
    return name in BUILT_IN or name in _own


def kind_of(facts: Facts) -> Kind:
    """Returns the kind of data of these facts.

    Raises:
        CheckpointError: the kind is a user's own and not registered.
    """
    if facts.kind in _own:
        return _own[facts.kind]()
    if facts.kind not in BUILT_IN:
        raise CheckpointError(
            f"the kind of data {facts.kind} is not built in",
            where="data",
            fix="if you know and trust this module, name it as well",
            override=f"--trust={facts.kind.split('.')[0]}",
        )
    module, attribute = BUILT_IN[facts.kind].rsplit(".", 1)
    kind: Kind = getattr(importlib.import_module(module), attribute)()
    return kind


def page_of_kind(facts: Facts) -> KindPage:
    """Returns the parts of a run's page for its kind of data; for an unknown kind, the parts that hold for any."""
    from dltrain.kinds.page import UnknownPage

    return kind_of(facts).page(facts) if is_known(facts.kind) else UnknownPage(facts)
