"""The types that all parts of dltrain share: data and its facts, splits, batches, encoders, specs of models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Protocol, cast, runtime_checkable

if TYPE_CHECKING:  # help, lists and errors must not wait for torch
    from os import PathLike

    import numpy as np
    import pandas as pd
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    Raw = pd.DataFrame | NDArray[Any] | Sequence[str | PathLike[str]]

SplitName = Literal["train", "val", "test"]
Layout = Literal["sample", "lines", "table"]  # what a text file holds
Network = Mapping[str, Any]  # what a pretrained network is, as JSON; empty for none
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Facts:
    """The facts of a data set: enough to build a model for it and, later, to predict without the data.

    All values can be written as JSON, and fitted ones come from the training split alone.

    Args:
        kind: of the data, such as `table`; a model says which kinds it takes.
        task: such as `classification`.
        input_shape: shape of one input without the batch dimension: `(F,)`, `(C, H, W)`, `(T,)` tokens or `(T, C)`; of
            pairs `(S, T)`, the tokens of a source and of an answer with its end.
        target: the target's name in the source; of several their names, joined by commas.
        outputs: names of the predicted numbers or labels, if there are several.
        classes: class names in the order of their indices; empty for other tasks.
        class_counts: training samples of each class, in the same order.
        features: names of the model's inputs.
        vocab_sizes: number of distinct values of each integer input.
        bins: for each input of a table the edges of its bins in the training rows, ascending and in the scale of the
            input; empty for an input that is not a measured number, such as a one-hot one.
        target_mean: subtracted from the target for the loss; one for each of several outputs.
        target_std: divides the difference, likewise; predictions and metrics are in the target's own unit.
        folds: number of folds of the training split, of which each has a model of its own; 0 for one model.
        target_range: smallest and largest training target, if predictions are clamped to them; else empty.
        target_low: the least that each column of values of a series can be; empty where nothing is known of it.
        target_whole: whether each column of values of a series holds whole numbers alone.
        target_rounded: whether forecasts of each are rounded to them; of a few pieces the expected number tells more.
        target_gaps: whether numbers of a forecast's target may be missing, which then count nowhere.
        target_naive: mean absolute and mean squared error of the seasonal naive forecast in training, of each column.
        weight: the column that weighs the samples in the loss and in metrics; empty if all count alike.
        samples: training samples, by which a model may choose how much it computes; 0 where that is not recorded.
        preprocessing: what the encoder needs; its form belongs to the kind of data.
        truth: what is known about generated data, such as the true coefficients.
    """

    kind: str
    task: str
    input_shape: tuple[int, ...]
    target: str = "target"
    outputs: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    features: tuple[str, ...] = ()
    vocab_sizes: tuple[int, ...] = ()
    bins: tuple[tuple[float, ...], ...] = ()
    target_mean: float | tuple[float, ...] = 0.0
    target_std: float | tuple[float, ...] = 1.0
    target_range: tuple[float, ...] = ()
    target_low: tuple[float | None, ...] = ()
    target_whole: tuple[bool, ...] = ()
    target_rounded: tuple[bool, ...] = ()
    target_gaps: bool = False
    target_naive: tuple[tuple[float, ...], ...] = ()
    weight: str = ""
    folds: int = 0
    samples: int = 0
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    truth: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Facts:
        """Returns the facts that a JSON object holds; unknown keys are ignored.

        Raises:
            TypeError, ValueError: a fact is missing or of another type.
        """
        values: dict[str, Any] = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
        facts = cls(**{name: _freeze(value) for name, value in values.items()})
        texts = (facts.classes, facts.features, facts.outputs)
        counts = (facts.input_shape, facts.vocab_sizes, facts.class_counts)
        if not all(isinstance(names, tuple) and all(isinstance(name, str) for name in names) for names in texts):
            raise ValueError("its names are not lists of texts")
        if not all(isinstance(sizes, tuple) and all(type(size) is int for size in sizes) for sizes in counts):
            raise ValueError("its sizes are not lists of whole numbers")
        if not isinstance(facts.preprocessing, Mapping) or not isinstance(facts.target, str):
            raise ValueError("it lacks the preprocessing or the target")
        return facts


def _freeze(value: Any) -> Any:
    """Returns JSON's lists as tuples, lists of lists too, but not those within mappings."""
    return tuple(map(_freeze, value)) if isinstance(value, list) else value


@dataclass(frozen=True)
class Spec:
    """What a model must know about the data and the task; models are called as `Model(spec, **config)`.

    Args:
        kind: of the data.
        input_shape: shape of one input without the batch dimension; of pairs as in `Facts`.
        out_features: width of the output that the loss needs.
        vocab_sizes: number of distinct values of each integer input; empty where inputs are real numbers.
        bins: edges of the bins of each input, as in `Facts`; empty where no input has any.
        causal: whether the model must give an output for each position of a sequence, `(B, T, out_features)`, that
            depends on no later position.
        positional: whether the outputs depend on where something stands in the input, as with a string in an image.
        steps: of a window of a series, which those of its horizon may follow; 0 where nothing is forecast.
        columns: of values of a series, the first channels of a step; the output holds these columns step by step.
        vectors: channels at the end of a step that hold a learned vector of its series.
        network: the pretrained network whose tokenizer numbers the tokens; empty where none does.
        ngrams: number of tokens of a classified text that say something by themselves, in a row.
        samples: training samples; 0 where that is not recorded.
        choices: whether items are ranked by choices that count alike, of users and items without features.
        mirror: whether an image keeps its target when mirrored, left to right.
        augment: options of the augmentation of training samples, by their names in the config.
        folds: number of models of an ensemble over folds, one of which is built; 0 for a model alone.
    """

    kind: str
    input_shape: tuple[int, ...]
    out_features: int
    vocab_sizes: tuple[int, ...] = ()
    bins: tuple[tuple[float, ...], ...] = ()
    causal: bool = False
    positional: bool = False
    steps: int = 0
    columns: int = 0
    vectors: int = 0
    network: Network = field(default_factory=dict)
    ngrams: int = 1
    samples: int = 0
    choices: bool = False
    mirror: bool = False
    augment: Mapping[str, Any] = field(default_factory=dict)
    folds: int = 0

    @property
    def is_tokens(self) -> bool:
        """Tells whether an input is a sequence of tokens."""
        return bool(self.vocab_sizes) and len(self.input_shape) == 1


@dataclass(frozen=True)
class InputFormat:
    """The inputs that weights were trained on, which a model that begins with these weights should get as well.

    Args:
        options: values for the keys of a data config that are null, such as `size`.
        mean: the mean of each channel, on a scale from 0 to 1; empty where the data's own statistics are right.
        std: the standard deviation, likewise.
        network: the network that they belong to, where the data must know it.
    """

    options: Mapping[str, Any]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    network: Network = field(default_factory=dict)


@runtime_checkable
class Unfreezing(Protocol):
    """A model of which some parameters are trained in later epochs only."""

    @property
    def unfreeze_epoch(self) -> int | None:
        """Returns the number of epochs after which all are trained; None for never."""
        ...

    def freeze_for(self, epoch: int) -> None:
        """Freezes and unfreezes parameters for an epoch, counted from 0."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A model that stores training samples, because it answers by comparing others with them."""

    def remember(self, inputs: tuple[Tensor, ...], target: Tensor, /) -> None:
        """Stores training samples, as the model takes them, and their targets; from the earliest to the latest where
        that is known."""
        ...

    def make_room(self, saved: Mapping[str, Tensor], /) -> None:
        """Makes room for the samples of a saved model, given its tensors by their names."""
        ...


@runtime_checkable
class Initialised(Protocol):
    """A model of which some values are computed from training samples before the others are trained."""

    @property
    def initial_samples(self) -> int:
        """Returns how many samples they are computed from at most; 0 if there are none to compute."""
        ...

    def initialise_from(self, batches: Iterable[tuple[Tensor, ...]], /) -> None:
        """Computes them from batches of training samples, as the model takes them."""
        ...


@runtime_checkable
class FrozenTrunk(Protocol):
    """A model of a trunk, which may be frozen, and a head that also takes the trunk's outputs in place of inputs."""

    @property
    def trunk(self) -> nn.Module:
        """Returns the trunk."""
        ...

    @property
    def is_trunk_fixed(self) -> bool:
        """Tells whether the trunk is frozen in every epoch, so that its outputs can be computed once."""
        ...

    def features(self, *inputs: Tensor) -> Tensor:
        """Returns the outputs of the trunk, `(B, F)`; the model returns the same for these as for the inputs."""
        ...


@runtime_checkable
class Stepwise(Protocol):
    """A model of answers that also writes one token after another, without computing those before it again.

    A state is a tuple of tensors with one row a sample, so that rows can be chosen from it.
    """

    def begin(self, source: Tensor, lengths: Tensor, /) -> tuple[Tensor, ...]:
        """Returns the state before the first token, for sources `(B, S)` of these lengths `(B,)`."""
        ...

    def step(self, state: tuple[Tensor, ...], tokens: Tensor, /) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Returns the outputs for the tokens that follow `tokens` `(B,)`, `(B, out_features)`, and the state then."""
        ...


class Mixing(NamedTuple):
    """How the samples of a batch are mixed in pairs.

    Args:
        partners: `(B,)` the position of the sample that each one is mixed with.
        share: of the sample itself, from 0 to 1; the rest is its partner's. A number that float32 holds, or a tensor.
    """

    partners: Tensor
    share: float | Tensor


class Batch(NamedTuple):
    """Inputs `(B, ...)` in the order in which a model takes them; the target, `(B, K)` float or `(B,)` int64; the
    weights as in `Split.weights`; and the folds `(B,)` of training samples that are divided into folds."""

    inputs: tuple[Tensor, ...]
    target: Tensor
    weights: Tensor | None = None
    mixing: Mixing | None = None
    fold: Tensor | None = None

    def output_of(self, model: Callable[..., Tensor]) -> Tensor:
        """Returns the output of a model, which also takes the samples' folds if they have any."""
        return model(*self.inputs) if self.fold is None else model(*self.inputs, fold=self.fold)

    @property
    def weighted_target(self) -> tuple[Tensor, ...]:
        """Returns the target, and the weights if there are any."""
        return (self.target,) if self.weights is None else (self.target, self.weights)


@dataclass(frozen=True)
class ForecastTimes:
    """The times that forecasts are for.

    Args:
        series: the names of all series; one empty name where there is one series alone.
        codes: `(N,)` which series each forecast is of.
        times: the times of the steps of all series, one after another, as their source writes them.
        first: `(N,)` the position in `times` of each forecast's first step; the one before it is its origin.
        horizon: the number of steps of a forecast, H.
    """

    series: tuple[str, ...]
    codes: NDArray[np.int64]
    times: tuple[str, ...]
    first: NDArray[np.int64]
    horizon: int

    def __len__(self) -> int:
        return len(self.codes)

    def of(self, chosen: Any) -> ForecastTimes:
        """Returns the times of some forecasts, given their indices or a mask."""
        return replace(self, codes=self.codes[chosen], first=self.first[chosen])

    @property
    def ids(self) -> tuple[str, ...]:
        """Returns the name of each forecast: the time of its first step, after the name of its series."""
        names = [f"{name} " if name else "" for name in self.series]
        pairs = zip(self.codes.tolist(), self.first.tolist(), strict=True)
        return tuple(names[code] + self.times[first] for code, first in pairs)


class Stored(Protocol):
    """One input of all samples of a split `(N, ...)`: a tensor, or what reads the rows asked for as tensors."""

    @property
    def shape(self) -> torch.Size: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def nbytes(self) -> int: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Tensor: ...

    def to(self, device: Any, /) -> Stored: ...

    def split(self, size: int, /) -> Iterable[Tensor]: ...


@runtime_checkable
class OnDemand(Stored, Protocol):
    """An input that is no tensor, and of which some samples can be chosen before any is read."""

    def subset(self, rows: Sequence[int], /) -> OnDemand:
        """Returns the samples at these positions, unread."""
        ...


MISSING_LABEL = -1  # in targets `(N, L)`


@dataclass(frozen=True)
class Split:
    """The samples of a split, on the CPU and in the order of the source.

    Args:
        inputs: `(N, ...)`: float32 for tables and the windows of series `(N, T, C)`, uint8 for images, int64 tokens
            `(N, T)` and lengths `(N,)` for texts, with beginnings of answers `(N, T)` for pairs, users `(N,)` and items
            `(N,)` for ratings; tensors, but for images that memory cannot hold.
        target: `(N, K)` float32 or float64 in the target's own unit, `(N,)` int64 class indices, `(N, P)` int64 of
            the characters of a string, or `(N, L)` int64, 1 where a sample has a label. A number may be NaN and a label
            `MISSING_LABEL`, which are missing, if another one of the sample is not.
        ids: the name of each sample: a row number of the source (counted from 0) or a file's path.
        texts: each sample in words for a reader, such as the text itself, or user and item of a rating; may be empty.
        weight: `(N,)` float32 weight of each sample in the loss and in metrics, above 0; `None` if all count alike.
        fold: `(N,)` int64 fold of each training sample, counted from 0; `None` without folds.
        times: when the steps of forecasts are; `None` where nothing is forecast.
        order: `(N,)` int64 numbers of the samples from the earliest to the latest; `None` where that is not known.
    """

    inputs: tuple[Stored, ...]
    target: Tensor
    ids: tuple[str, ...]
    texts: tuple[str, ...] = ()
    weight: Tensor | None = None
    fold: Tensor | None = None
    times: ForecastTimes | None = None
    order: Tensor | None = None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Returns the inputs of a kind of data that always keeps them in memory."""
        return cast("tuple[Tensor, ...]", self.inputs)

    @property
    def weights(self) -> Tensor | None:
        """Returns the float32 weights of classes `(N,)`, or of numbers or labels `(N, K)`, where a missing one has 0;
        `None` if all count alike."""
        if self.target.dim() == 1 and not self.target.is_floating_point():
            return self.weight
        missing = self.target.isnan() if self.target.is_floating_point() else self.target == MISSING_LABEL
        if self.weight is None and not missing.any():
            return None
        weight = 1.0 if self.weight is None else self.weight[:, None]
        return (~missing).float() * weight

    @property
    def weighted_target(self) -> tuple[Tensor, ...]:
        """Returns the target, and the weights if there are any."""
        weights = self.weights
        return (self.target,) if weights is None else (self.target, weights)

    def of(self, chosen: NDArray[np.int64]) -> Split:
        """Returns some of the samples, given their positions `(n,)`, without their order in time."""
        rows = chosen.tolist()
        return replace(
            self,
            inputs=tuple(part.subset(rows) if isinstance(part, OnDemand) else part[rows] for part in self.inputs),
            target=self.target[rows],
            ids=tuple(self.ids[row] for row in rows),
            texts=tuple(self.texts[row] for row in rows) if self.texts else (),
            weight=None if self.weight is None else self.weight[rows],
            fold=None if self.fold is None else self.fold[rows],
            times=None if self.times is None else self.times.of(chosen),
            order=None,
        )

    def __len__(self) -> int:
        return len(self.target)


class BatchTransform(Protocol):
    """Turns a batch of stored inputs into a model's inputs, on their device.

    One whose attribute `of_each_sample` is true turns each sample into the same inputs whatever else is in the batch.
    """

    def __call__(self, inputs: tuple[Tensor, ...], /) -> tuple[Tensor, ...]: ...


class RandomTransform(Protocol):
    """Changes a batch of stored inputs at random, on their device; seed, epoch and batch alone decide how."""

    def __call__(self, inputs: tuple[Tensor, ...], seed: int, epoch: int, batch: int, /) -> tuple[Tensor, ...]: ...


class MixTransform(Protocol):
    """Mixes the stored inputs of a batch in pairs; seed, epoch and batch alone decide how."""

    def __call__(
        self, inputs: tuple[Tensor, ...], seed: int, epoch: int, batch: int, /
    ) -> tuple[tuple[Tensor, ...], Mixing]: ...


class Remark(NamedTuple):
    """Something unusual about a new sample.

    Args:
        what: the remark, with the column's name and equal for all samples that share it: `Age outside 0.4 to 80`.
        cell: the value in question, such as `99`; empty where a value is missing.
    """

    what: str
    cell: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.cell}" if self.cell else self.what


@dataclass(frozen=True)
class Encoded:
    """New samples as a model's stored inputs, in their order.

    Args:
        inputs: tensors `(N, ...)`, as in `Split`.
        ids: the name of each sample, as in `Split`.
        remarks: on each sample.
        unreadable: positions of samples that could not be read; their inputs stand for nothing, and a remark says why.
        times: when the steps of forecasts are; `None` where nothing is forecast.
    """

    inputs: tuple[Tensor, ...]
    ids: tuple[str, ...]
    remarks: tuple[tuple[Remark, ...], ...]
    unreadable: tuple[int, ...] = ()
    times: ForecastTimes | None = None

    @property
    def spelled_remarks(self) -> list[str]:
        """Returns the remarks on each sample as one text."""
        return ["; ".join(map(str, of_sample)) for of_sample in self.remarks]

    def __len__(self) -> int:
        return len(self.ids)


class Encoder(Protocol):
    """Turns new samples into a model's stored inputs as in training, by the facts of a run alone."""

    @property
    def suffixes(self) -> frozenset[str]:
        """Returns the suffixes of files that hold one sample each, such as `.jpg`; empty if tables alone do."""
        ...

    @property
    def takes_rows(self) -> bool:
        """Tells whether it takes the rows of a table; if not, a column of the table names the files."""
        ...

    @property
    def apart(self) -> bool:
        """Tells whether samples may be encoded a few at a time, because none depends on its neighbours."""
        ...

    @property
    def prepare(self) -> BatchTransform | None:
        """Returns what turns stored inputs into the model's, as in `Data`."""
        ...

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes the rows of a table (whose index counts the rows of the source), an array, or files.

        Raises:
            DataError: the model was trained on something else.
        """
        ...

    def targets(self, raw: Raw, /) -> Tensor:
        """Returns the targets of the same samples, as in `Split`; -1 or NaN where one is missing.

        Raises:
            DataError: there are none, or one is a class that the model does not know.
        """
        ...


@runtime_checkable
class WeighingEncoder(Protocol):
    """An encoder that reads weights of samples."""

    def weights(self, raw: Raw, /) -> Tensor | None:
        """Returns the weights `(N,)` of the same samples as `Encoder.encode`; `None` where all count alike.

        Raises:
            DataError: a weight is not a finite number of at least 0.
        """
        ...


@dataclass(frozen=True)
class Data:
    """A data set, divided into splits and encoded.

    Args:
        facts: what a model and a later prediction must know.
        splits: always `train`; `val` and `test` where there are such splits.
        prepare: what the loaders do to each batch; `None` if the model takes inputs as they are stored.
        mirror: whether an image keeps its class when it is mirrored left to right: a dog does, a letter does not.
        notes: what was inferred, dropped or generated, and why; a sentence each.
        kept: tensors that a later prediction needs and that are too large for the facts, such as the items that each
            user has rated; they are stored in the run folder.
        raw: the samples before they are encoded, for checks and baselines of the kind; `None` if it keeps none.
        with_fold: returns the data with another fold as the validation split, without reading it again; `None` where no
            fold validates.
    """

    facts: Facts
    splits: Mapping[SplitName, Split]
    prepare: BatchTransform | None = None
    mirror: bool = False
    notes: tuple[str, ...] = ()
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    raw: Any = None
    with_fold: Callable[[int], Data] | None = None


class Loader(Protocol):
    """Yields the batches of a split; what `set_epoch` is told decides which they are, and with which one they begin."""

    def __iter__(self) -> Iterator[Batch]: ...

    def __len__(self) -> int: ...

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Chooses the epoch whose batches come next, from the batch `start` on."""
        ...


@dataclass(frozen=True)
class Range:
    """The range of a config value, bounds included, as in `Annotated[float, Range(0, 1)]`.

    Args:
        low: smallest value, or none.
        high: largest value, or none.
        open_low: whether `low` itself is excluded.
    """

    low: float | None = None
    high: float | None = None
    open_low: bool = False

    def __contains__(self, value: float) -> bool:
        above = self.low is None or (value > self.low if self.open_low else value >= self.low)
        return above and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        low = "" if self.low is None else f"{'above' if self.open_low else 'at least'} {self.low:g}"
        high = "" if self.high is None else f"at most {self.high:g}"
        return " and ".join(part for part in (low, high) if part)


Depth = Annotated[int, Range(1, 64)]  # of equal layers; more of them take minutes to build and try
