"""result.json: what a finished run says of itself, typed; the one place that writes and reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from dltrain.errors import CheckpointError
from dltrain.runs.folder import SCHEMA, RunDir, read_json, write_json

Metrics = dict[str, float | None]  # None stands for a number that was not finite


@dataclass(frozen=True)
class DataRecord:
    """What is recorded of the data: its fingerprint, all samples, and those of each split."""

    rows: int
    splits: dict[str, int]
    fingerprint: str = ""


@dataclass(frozen=True)
class Result:
    """What a finished run says of itself; the metrics are those of the weights that were kept.

    Args:
        train: metrics of the training split.
        val: metrics of the validation split; empty where there is none.
        test: metrics of the test split; empty where there is none.
        shown_split: the split whose predictions and examples are kept.
        data: what is recorded of the data.
        seed: of everything random but generated data and splits.
        monitor: what decided which epoch is best, `split/metric`.
        outputs: metrics of each of several numbers or labels.
        baseline: metrics of each baseline on the shown split.
        comparison: the model against the best of them; `None` where nothing can be told.
        diagnosis: what the curves tell, in sentences.
        doctor: what is odd about the data.
        importance: of each source column, the most important first.
        projection: what the coordinates of projection.csv are; `None` where there are none.
        metrics: what is known of metrics of the user's own, by name.
        best_epoch: the epoch whose weights were kept, counted from 1.
        keep: `best` or `last`.
        epochs: trained.
        parameters: of the model.
        seconds: that the whole run took.
        train_seconds: of them in training steps.
        evaluation_seconds: likewise in evaluation after training.
        save_seconds: likewise on checkpoints.
        explain_seconds: likewise on importance and projection.
        baseline_seconds: likewise on baselines.
        samples_per_second: training samples by the seconds in training steps.
        device: that it was trained on.
        threads: of the CPU.
        basis: what predictions rest on beside the weights (runs/provenance.py).
        versions: of what decides the numbers.
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
    comparison: Mapping[str, Any] | None = None
    diagnosis: tuple[str, ...] = ()
    doctor: tuple[Mapping[str, str], ...] = ()
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
            CheckpointError: it is missing, of a newer version, or lacks what every result has.
        """
        return cls.from_json(read_json(run.own(run.result)), str(run.result))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], where: str = "result.json") -> Result:
        """Returns the result that a JSON object holds; other keys of it are left alone.

        Raises:
            CheckpointError: it lacks what every result has.
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
            raise CheckpointError(f"{where} is damaged: it does not say which split was shown, or its seed")
        known = {one.name: stored[one.name] for one in fields(cls) if stored.get(one.name) is not None}
        for name, empty in _EMPTY.items():
            if name in known and not isinstance(known[name], empty):
                raise CheckpointError(f"{where} is damaged: {name} is {known[name]!r}")
        lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        record = DataRecord(int(data.get("rows") or 0), dict(splits), str(data.get("fingerprint") or ""))
        return cls(**(known | lists | {"data": record}))

    def as_dict(self) -> dict[str, Any]:
        """Returns what result.json holds."""
        return {"schema": SCHEMA} | asdict(self)

    def write(self, run: RunDir) -> None:
        """Writes the run's result.

        Raises:
            StorageError: it cannot be written.
        """
        write_json(run.result, self.as_dict())

    def with_changes(self, **changes: Any) -> Result:
        """Returns the same result with other values."""
        return replace(self, **changes)

    def of_split(self, name: str) -> Metrics:
        """Returns the metrics of a split; none where it does not exist."""
        found: Metrics = getattr(self, name) if name in ("train", "val", "test") else {}
        return found


# What must be of a type where it is not left out, so that nobody who reads it meets something else.
_EMPTY: Mapping[str, type | tuple[type, ...]] = {
    "outputs": Mapping,
    "baseline": Mapping,
    "comparison": Mapping,
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
