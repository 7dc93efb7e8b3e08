"""`dltrain reproduce RUN`: trains again from a run's own config, and compares every number."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from dltrain.cli.commands import COMMANDS, Options
from dltrain.cli.imports import imports
from dltrain.errors import DataError

if TYPE_CHECKING:
    from dltrain.runs.result import Result

ROUNDING = 1e-6  # relative: other machines and versions add in another order


def run(arguments: Sequence[str], options: Options) -> int:
    """Trains in a new folder next to the run; returns exit code 0 if every number agrees, else 1.

    Raises:
        DltrainError: the run cannot be trained again, or its data is missing or has changed.
    """
    began = perf_counter()
    flags, (name,) = COMMANDS["reproduce"].read(arguments)

    with imports():
        from omegaconf import OmegaConf

        from dltrain.data.samples.on_demand import on_approval
        from dltrain.experiment import run as job
        from dltrain.experiment.log import configure_logging
        from dltrain.experiment.results import fingerprint
        from dltrain.experiment.signals import deferred
        from dltrain.experiment.targets import SLOTS, resolve, resolve_entry
        from dltrain.inference.load import finished
        from dltrain.runs.config import RunConfig, write_yaml
        from dltrain.runs.folder import RunDir, utc_now
        from dltrain.runs.lock import claim, locked, reserve
        from dltrain.runs.result import Result

    first = finished(RunDir(Path(name)), flags.trust)
    before = Result.read(first)
    stored = RunConfig(first)
    config: dict[str, Any] = {slot: stored.whole_node(slot) for slot in (*SLOTS, "task", "metric") if slot != "data"}
    config |= {"data": stored.node("data"), "seed": before.seed, "init_from": stored.values.get("init_from")}
    config["data"] |= {key.removeprefix("data."): value for key, value in flags.overrides.items()}
    for slot in SLOTS:
        if "_target_" in config[slot]:
            resolve(slot, config[slot], flags.trust)
    for metric, node in config["metric"].items():
        resolve_entry("metric", metric, node, flags.trust)
    with on_approval() as samples:
        setup = job.build_checked(config)
        if fingerprint(setup.data) != before.data.fingerprint:
            raise DataError(
                "the data has changed since the run was trained",
                where="data.path",
                fix="give the same file: data.path=...",
            )
        check_start(before.basis.get("start"), setup.origin["start"])
        default = first.path.with_name(f"{first.path.name}_again")
        again = RunDir(claim(Path(flags.output)) if flags.output else reserve(default))
        samples.accept()
    configure_logging(console=not (options.quiet or options.json))
    with locked(again.path), job.recorded(again, config):
        written = stored.values.copy()
        for key, value in flags.overrides.items():
            OmegaConf.update(written, key, value)
        with deferred():  # a run with a config can be resumed
            again.write_status("running", exit_code=1, started=utc_now(), reproduces=str(first.path))
            write_yaml(again.config, OmegaConf.to_container(written))
        job.train(setup, config, again, began)
    after = Result.read(again)
    figures = compare_figures(before, after)
    same = all(a == b or _close(a, b) for a, b in figures.values())
    if options.json:
        print(json.dumps({"same": same, "figures": figures, "run": str(again.path)}, ensure_ascii=False))
    elif not options.quiet:
        for key, (a, b) in figures.items():
            mark = "=" if a == b else "≈" if _close(a, b) else "≠"
            print(f"{mark}  {key}  {a}" + ("" if a == b else f"  {b}"))
        versions = {part: pair for part, pair in _pairs(before.versions, after.versions).items() if pair[0] != pair[1]}
        for part, (a, b) in versions.items():
            print(f"   {part} was {a} and is {b}")
        print(f"run     {again.path}")
    return 0 if same else 1


def check_start(before: Any, now: Mapping[str, str]) -> None:
    """Checks that the files of weights that a run starts from are as they were.

    Raises:
        DataError: one has changed.
    """
    for name, digest in now.items():
        if isinstance(before, Mapping) and before and before.get(name) != digest:
            raise DataError(
                f"the weights in {name}, from which the run starts, are other ones than when it was trained",
                where="model.weights or init_from",
                fix="restore the file",
            )


def compare_figures(before: Result, after: Result) -> dict[str, tuple[Any, Any]]:
    """Returns each number that training decides, by name, as a pair: before, after."""
    figures: dict[str, tuple[Any, Any]] = {}
    for split in ("train", "val", "test"):
        pairs = _pairs(before.of_split(split), after.of_split(split))
        figures |= {f"{split}/{name}": pair for name, pair in pairs.items()}
    return figures | {
        key: (getattr(before, key), getattr(after, key)) for key in ("best_epoch", "epochs", "parameters")
    }


def _pairs(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {key: (a.get(key), b.get(key)) for key in dict.fromkeys([*a, *b])}


def _close(a: Any, b: Any) -> bool:
    numbers = isinstance(a, int | float) and isinstance(b, int | float)
    return numbers and abs(a - b) <= ROUNDING * max(abs(a), abs(b), 1e-12)
