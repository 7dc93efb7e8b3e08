"""The few types that every part of dltrain speaks: what data is, what a model must know of it, what a batch holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:  # help, lists and refusals answer without torch
    from os import PathLike

    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor

    Raw = pd.DataFrame | NDArray[Any] | Sequence[str | PathLike[str]]

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Facts:
    """What was learned from the data, once: enough to build a model for it and, later, to predict without it.

    Everything here is JSON-serialisable and belongs to the training split where it was fitted.

    Args:
        kind: what an input is; a model says which kinds it takes.
        task: what is to be predicted.
        input_shape: shape of one input without the batch dimension: `(F,)`, `(C, H, W)`, `(T,)` tokens or `(T, C)`.
        target: the target's name, as the source spells it; of several their names, joined by commas.
        outputs: names of the numbers or labels that are predicted, where there are several.
        classes: class names in the order of their indices; empty for regression.
        class_counts: training samples of each class, in the same order.
        features: names of the model's inputs, one each for tables.
        vocab_sizes: number of distinct values of each integer input.
        bins: for each input of a table the edges of its bins in the training rows, ascending and in the input's own
            scale; empty for an input that is no measured number, such as a one-hot one.
        target_mean: subtracted from the target before the loss sees it; one for each of several outputs.
        target_std: then divided by, likewise; predictions and metrics are in the target's own unit.
        target_range: smallest and largest training target, where predictions are to stay between them; else empty.
        preprocessing: what turns a raw input into a model's input; its form belongs to the kind of data.
        truth: what a synthetic data set knows of itself, such as the true coefficients.
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
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    truth: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Facts:
        """The facts that a JSON object holds; other keys of it are left alone.

        Raises:
            TypeError, ValueError: it holds no facts, or values of other types.
        """
        known: dict[str, Any] = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
        facts = cls(**{name: _frozen(value) for name, value in known.items()})
        texts = (facts.classes, facts.features, facts.outputs)
        counts = (facts.input_shape, facts.vocab_sizes, facts.class_counts)
        if not all(isinstance(many, tuple) and all(isinstance(one, str) for one in many) for many in texts):
            raise ValueError("its names are no lists of texts")
        if not all(isinstance(many, tuple) and all(type(one) is int for one in many) for many in counts):
            raise ValueError("its sizes are no lists of whole numbers")
        if not isinstance(facts.preprocessing, Mapping) or not isinstance(facts.target, str):
            raise ValueError("it does not say how inputs and target were prepared")
        return facts


def _frozen(value: Any) -> Any:
    """JSON's lists as tuples, lists of lists too; what stands in a mapping is left as it is."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


@dataclass(frozen=True)
class Spec:
    """What a model must know of the data: `Model(spec, **config)`.

    Args:
        kind: what an input is.
        input_shape: shape of one input without the batch dimension.
        out_features: width of the output, as the task and the loss ask for it.
        vocab_sizes: number of distinct values of each integer input; empty where inputs are real numbers.
        bins: edges of the bins of each input, as in `Facts`; empty where no input has any.
        causal: whether an output `(B, T, out_features)` is asked for, one for each position of a sequence, that knows
            nothing of the positions after it.
    """

    kind: str
    input_shape: tuple[int, ...]
    out_features: int
    vocab_sizes: tuple[int, ...] = ()
    bins: tuple[tuple[float, ...], ...] = ()
    causal: bool = False

    @property
    def is_tokens(self) -> bool:
        """Whether an input is a sequence of tokens."""
        return bool(self.vocab_sizes) and len(self.input_shape) == 1


class Batch(NamedTuple):
    """Inputs `(B, ...)` that a model takes in this order, and the target: `(B, K)` float or `(B,)` int64."""

    inputs: tuple[Tensor, ...]
    target: Tensor


@dataclass(frozen=True)
class Split:
    """Samples in memory, on the CPU, in the order of the source.

    Args:
        inputs: tensors `(N, ...)`: float32 for tables and the windows of series `(N, T, C)`, uint8 for pictures, int64
            tokens `(N, T)` and lengths `(N,)` for texts, users `(N,)` and items `(N,)` for ratings.
        target: `(N, K)` float32 or float64 in the targets' own unit, `(N,)` int64 class indices, or `(N, L)` int64, 1
            where a sample has a label.
        ids: what names each sample: a row number of the source (counted from 0) or a file's path.
        texts: what each sample says, where it is a text, or is in words, such as whose rating of what; else empty.
    """

    inputs: tuple[Tensor, ...]
    target: Tensor
    ids: tuple[str, ...]
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.target)


class BatchTransform(Protocol):
    """Turns a batch of stored inputs into a model's inputs, on their device."""

    def __call__(self, inputs: tuple[Tensor, ...], /) -> tuple[Tensor, ...]: ...


class RandomTransform(Protocol):
    """Changes a batch of stored inputs at random, as a function of these numbers alone, on the inputs' device."""

    def __call__(self, inputs: tuple[Tensor, ...], seed: int, epoch: int, batch: int, /) -> tuple[Tensor, ...]: ...


class Remark(NamedTuple):
    """What is odd of a new sample.

    Args:
        what: the oddity, by the column's name and the same for all samples that share it: `Age outside 0.4 to 80`.
        cell: the value, such as `99`; empty where the oddity is that there is none.
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
        ids: what names each sample, as in `Split`.
        remarks: what is odd of each sample.
    """

    inputs: tuple[Tensor, ...]
    ids: tuple[str, ...]
    remarks: tuple[tuple[Remark, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)


class Encoder(Protocol):
    """Turns new samples into a model's stored inputs as training did, by the facts of a run alone."""

    @property
    def suffixes(self) -> frozenset[str]:
        """How the names of files end that are a sample each, such as `.jpg`; none where only tables hold samples."""
        ...

    @property
    def takes_rows(self) -> bool:
        """Whether it takes a table; else a column of paths in it names the files."""
        ...

    @property
    def apart(self) -> bool:
        """Whether samples may be encoded a few at a time, because none depends on its neighbours."""
        ...

    @property
    def prepare(self) -> BatchTransform | None:
        """What turns stored inputs into the model's, as in `Data`."""
        ...

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes rows of a table (whose index counts the rows of the source), an array, or files.

        Raises:
            DataError: they are not what the model was trained on.
        """
        ...

    def targets(self, raw: Raw, /) -> Tensor:
        """What is known to be true of the same samples, as in `Split`; -1 or NaN where it is missing.

        Raises:
            DataError: the truth does not stand there, or holds a class that the model does not know.
        """
        ...


@dataclass(frozen=True)
class Data:
    """A data set, split, encoded and explained.

    Args:
        facts: what a model and a later prediction must know.
        splits: `train` always; `val` and `test` where their fraction is not 0.
        prepare: what the loaders do to each batch; `None` where inputs are ready as they are stored.
        mirror: whether a picture keeps its class when it is mirrored, left to right: a dog does, a letter does not.
        notes: what was inferred, dropped or drawn, and why; a sentence each.
        kept: what a later prediction needs beyond the facts and is too large for them, such as the items that each
            user has rated; the run folder keeps it.
    """

    facts: Facts
    splits: Mapping[SplitName, Split]
    prepare: BatchTransform | None = None
    mirror: bool = False
    notes: tuple[str, ...] = ()
    kept: Mapping[str, Tensor] = field(default_factory=dict)


class Loader(Protocol):
    """Batches of one split, the same in every epoch `n` that `set_epoch(n)` names, from the batch `start` on."""

    def __iter__(self) -> Iterator[Batch]: ...

    def __len__(self) -> int: ...

    def set_epoch(self, epoch: int, start: int = 0) -> None: ...


@dataclass(frozen=True)
class Range:
    """The numbers that a config value may take, as in `Annotated[float, Range(0, 1)]`; the bounds belong to it.

    Args:
        low: smallest value, or none.
        high: largest value, or none.
        open_low: whether `low` itself is refused.
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
