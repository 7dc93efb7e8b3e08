"""result.json, typed: the metrics and the record of a finished run. Nothing else writes or reads that file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from dltrain.errors import CheckpointError
from dltrain.runs.folder import SCHEMA, RunDir, read_json
from dltrain.storage import write_json

Metrics = dict[str, float | None]  # None stands for a number that was not finite


@dataclass(frozen=True)
class DataRecord:
    """What is recorded of the data: its fingerprint, and the number of samples, of all and of each split."""

    rows: int
    splits: dict[str, int]
    fingerprint: str = ""


@dataclass(frozen=True)
class Result:
    """The result of a finished run; its metrics are those of the weights that were stored.

    Args:
        train: metrics of the training split.
        val: metrics of the validation split; empty where there is none.
        test: metrics of the test split; empty where there is none.
        shown_split: the split of the stored predictions and examples.
        data: what is recorded of the data.
        seed: of everything random except generated data and splits, which `data.seed` decides.
        monitor: the metric that decided which epoch is best, `split/metric`.
        outputs: metrics of each output, where several numbers or labels are predicted.
        baseline: metrics of each baseline on the shown split.
        baseline_notes: what a reader must know about a baseline, such as that it was fitted to a sample.
        comparison: the model against the best baseline; `None` where they cannot be compared.
        blend: the votes of the candidates of a model that blends them, and the validation losses they rest on.
        diagnosis: findings from the training curves, in sentences.
        doctor: findings about the data.
        certainty: what intervals, sets of classes and probabilities rest on, and how often they are right on the test
            split (`measured`); `None` where nothing is known of it.
        importance: of each source column, the most important first.
        projection: what the coordinates of projection.csv are; `None` where there are none.
        metrics: label, direction and unit of metrics of the user's own, by name.
        best_epoch: the epoch whose weights were stored, counted from 1.
        keep: which epoch's weights were stored, `best` or `last`.
        epochs: number of epochs trained.
        parameters: number of parameters of the model.
        seconds: duration of the whole run.
        train_seconds: part of it that training steps took.
        evaluation_seconds: part of it that the evaluation after training took.
        save_seconds: part of it that writing checkpoints took.
        explain_seconds: part of it that importance and projection took.
        baseline_seconds: part of it that baselines took.
        samples_per_second: training samples per second of training steps.
        device: on which it was trained.
        threads: number of CPU threads.
        basis: digests of what predictions rest on besides the weights (runs/provenance.py).
        versions: of the packages that decide the numbers.
        git: commit of the working directory, with `+` where files differ from it.
        evaluation: what an evaluation of new data found; `None` in a run's own result.
    """

    train: Metrics
    val: Metrics
    test: Metrics
    shown_split: str
    data: DataRecord
    seed: int
    monitor: str = ""
    outputs: Mapping[str, Metrics] = field(default_factory=dict)
    baseline: Mapping[str, Metrics] = field(default_factory=dict)
    baseline_notes: Mapping[str, str] = field(default_factory=dict)
    comparison: Mapping[str, Any] | None = None
    blend: Mapping[str, Any] | None = None
    diagnosis: tuple[str, ...] = ()
    doctor: tuple[Mapping[str, str], ...] = ()
    certainty: Mapping[str, Any] | None = None
    importance: tuple[Mapping[str, Any], ...] = ()
    projection: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    best_epoch: int = 0
    keep: str = "best"
    epochs: int = 0
    parameters: int = 0
    seconds: float = 0.0
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    save_seconds: float = 0.0
    explain_seconds: float = 0.0
    baseline_seconds: float = 0.0
    samples_per_second: float = 0.0
    device: str = ""
    threads: int = 0
    basis: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    git: str | None = None
    evaluation: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, run: RunDir) -> Result:
        """Reads a run's result.

        Raises:
            CheckpointError: it is missing, was written by a newer version, or lacks what every result has.
        """
        return cls.from_json(read_json(run.own(run.result)), str(run.result))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], where: str = "result.json") -> Result:
        """Returns the result that a JSON object holds; unknown keys are ignored.

        Raises:
            CheckpointError: it lacks what every result has, or a value is of another type.
        """
        data, splits = stored.get("data"), None
        if isinstance(data, Mapping):
            splits = data.get("splits")
        measured = [stored.get(name) for name in ("train", "val", "test")]
        numbers = [value for part in measured if isinstance(part, Mapping) for value in part.values()]
        sound = all(isinstance(part, Mapping) for part in measured) and isinstance(splits, Mapping)
        if not sound or not all(value is None or type(value) in (int, float) for value in numbers):
            raise CheckpointError(f"{where} is damaged: it lacks the metrics or the sizes of the splits")
        assert isinstance(data, Mapping) and isinstance(splits, Mapping)
        if stored.get("shown_split") not in splits or type(stored.get("seed")) is not int:
            raise CheckpointError(f"{where} is damaged: it lacks the shown split or the seed")
        values = {item.name: stored[item.name] for item in fields(cls) if stored.get(item.name) is not None}
        for name, expected in _TYPES.items():
            if name in values and not isinstance(values[name], expected):
                raise CheckpointError(f"{where} is damaged: {name} is {values[name]!r}")
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        record = DataRecord(int(data.get("rows") or 0), dict(splits), str(data.get("fingerprint") or ""))
        return cls(**(values | lists | {"data": record}))

    def as_dict(self) -> dict[str, Any]:
        """Returns the JSON object that result.json holds."""
        return {"schema": SCHEMA} | asdict(self)

    def write(self, run: RunDir) -> None:
        """Writes the run's result.

        Raises:
            StorageError: it cannot be written.
        """
        write_json(run.result, self.as_dict())

    def with_changes(self, **changes: Any) -> Result:
        """Returns a copy with some values replaced."""
        return replace(self, **changes)

    def of_split(self, name: str) -> Metrics:
        """Returns the metrics of a split; empty where there is no such split."""
        metrics: Metrics = getattr(self, name) if name in ("train", "val", "test") else {}
        return metrics


# The types of values that may be missing; the required ones are checked one by one.
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "outputs": Mapping,
    "baseline": Mapping,
    "baseline_notes": Mapping,
    "comparison": Mapping,
    "blend": Mapping,
    "certainty": Mapping,
    "diagnosis": list,
    "doctor": list,
    "importance": list,
    "projection": Mapping,
    "metrics": Mapping,
    "basis": Mapping,
    "versions": Mapping,
    "evaluation": Mapping,
    "seconds": (int, float),
    "samples_per_second": (int, float),
    "parameters": int,
    "epochs": int,
    "best_epoch": int,
}
