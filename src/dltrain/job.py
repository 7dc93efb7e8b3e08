"""One run, from a checked config to a finished run folder."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO, cast

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from safetensors.torch import save as safetensors_bytes
from tqdm import tqdm

from dltrain import build
from dltrain.changes import find_changes
from dltrain.compose import Job, picked_options
from dltrain.errors import Diverged, DltrainError, OutOfMemory
from dltrain.models.window_scale import name_of
from dltrain.recommendations import save_recommendations
from dltrain.report.page import write_report
from dltrain.resolve import check
from dltrain.results import Timing, save_results
from dltrain.rundir import (
    SCHEMA,
    HistoryLog,
    RunDir,
    claim,
    make_folder,
    redacted,
    utc_now,
    write_bytes,
    write_json,
    write_text,
)
from dltrain.sweeps.summary import summarize
from dltrain.training.loop import Row, fit
from dltrain.training.saving import Saver
from dltrain.types import Facts

log = logging.getLogger("dltrain")

PROGRESS_LINES = 20  # of a run whose output is no terminal
PROGRESS_METRICS = ("train/loss", "val/loss", "val/accuracy", "val/rmse")


def check_jobs(jobs: Sequence[Job]) -> None:
    """Builds every job and lets go of it again, so that what cannot run is refused before anything is written.

    Raises:
        ExceptionGroup: of what is wrong with the configs' values.
        DltrainError: a job cannot be built.
    """
    build.forget()
    for job in jobs:
        errors = check(job.config)
        if errors:
            raise ExceptionGroup("config", errors)
    for job in jobs:
        build.build(job.config)


def run_job(composed: DictConfig, began: float | None = None) -> None:
    """Trains what Hydra composed, in the folder that Hydra chose; how it ended stands in the folder's status.

    Args:
        composed: the config.
        began: `perf_counter` when the command began; by default now.
    """
    began = perf_counter() if began is None else began
    hydra = HydraConfig.get()
    run = RunDir(hydra.runtime.output_dir)
    in_sweep = hydra.mode == RunMode.MULTIRUN
    if in_sweep:
        try:
            claim(run.path)
        except DltrainError as error:
            log.error("failed  job %s: %s", hydra.job.num, error.what)
            return
        log.info("job     %s: %s", hydra.job.num, " ".join(hydra.overrides.task))
    config = cast(dict[str, Any], OmegaConf.to_container(composed, resolve=True))
    run.write_status("running", exit_code=1, started=utc_now())
    save_config(run, composed, hydra)
    with _logged_to(run):
        try:
            train(config, run, began, verbosity=logging.DEBUG if in_sweep else logging.INFO)
            if not in_sweep:
                write_report(run)
                log.info("report  %s", run.report)
            run.write_status("done", exit_code=0)
        except DltrainError as error:
            _record(run, error)
        except torch.OutOfMemoryError:
            _record(
                run,
                OutOfMemory(
                    "the device's memory did not suffice", where="trainer.batch_size", fix="give a smaller one"
                ),
            )
        except KeyboardInterrupt:
            run.write_status("interrupted", exit_code=130)
            saved = f"the last checkpoint is in {run.checkpoints}" if run.checkpoints.exists() else "nothing was saved"
            log.warning("interrupted; %s", saved)


def train(config: Mapping[str, Any], run: RunDir, began: float, verbosity: int = logging.INFO) -> None:
    """Trains until the end or until patience is spent, and writes everything but plots and page.

    Args:
        config: composed and checked.
        run: its folder.
        began: `perf_counter` when the run began.
        verbosity: the level at which it says what it does; the result is always said.

    Raises:
        DltrainError: what stopped it; the folder holds what had been reached.
    """
    setup = build.build(config)
    torch.set_num_threads(setup.threads)
    torch.use_deterministic_algorithms(setup.settings.deterministic)
    settings, state = setup.settings, setup.state
    introduce(setup, verbosity)
    write_json(run.facts, {"schema": SCHEMA} | asdict(setup.data.facts) | {"notes": list(setup.data.notes)})
    if setup.data.kept:
        write_bytes(run.kept, safetensors_bytes(dict(setup.data.kept)))

    saver = Saver(run.checkpoints, state)
    history = HistoryLog(run.history)
    train_seconds = 0.0
    rows = fit(state, setup.task, setup.train, setup.evaluation.get("val"), settings)
    try:
        for row in progress(rows, settings.last_epoch, verbosity):
            history.log(state.step, row)
            saver.after_epoch()
            train_seconds += row["train_seconds"]
            if settings.patience is not None and state.stale >= settings.patience:
                log.log(verbosity, "stop    no better %s for %d epochs", settings.monitor, state.stale)
                break
        else:
            if state.epoch < settings.last_epoch:
                log.log(verbosity, "stop    %g minutes are over", settings.max_minutes)
    finally:
        history.close()
    if not state.best_epoch:
        raise Diverged(f"{settings.monitor} was never a finite number", where="optimizer.lr", fix="lower it")
    saver.save()
    saver.load_best()
    # Only the jobs of a sweep keep what they do to themselves.
    timing = Timing(began, train_seconds, saver.seconds, in_sweep=verbosity < logging.INFO)
    save_results(run, setup, config["seed"], timing)
    save_recommendations(run, setup)


def introduce(setup: build.Setup, verbosity: int = logging.INFO) -> None:
    """Says what is about to be trained on what."""
    facts, splits = setup.data.facts, setup.data.splits
    sizes = ", ".join(f"{name} {len(split):,}" for name, split in splits.items())
    goal = f"{len(facts.classes)} classes of {facts.target}" if facts.classes else facts.target
    if facts.task == "multilabel":
        goal = f"{len(facts.outputs)} labels: {', '.join(facts.outputs[:10])}" + " ..." * (len(facts.outputs) > 10)
    log.log(verbosity, "data    %s to %s: %s", spell_input(facts), goal, sizes)
    for note in setup.data.notes:
        log.log(verbosity, "        %s", note)
    for finding in build.examine_data(setup.data_node):
        log.log(verbosity, "%-7s %s", finding.severity, finding)
    parameters = sum(parameter.numel() for parameter in setup.state.model.parameters())
    where = f"{setup.threads} thread{'s' * (setup.threads > 1)}" if setup.device.type == "cpu" else ""
    if setup.device.type == "cuda":
        where = torch.cuda.get_device_name(setup.device)
    name = name_of(setup.state.model)
    log.log(verbosity, "model   %s with %s parameters, on %s (%s)", name, f"{parameters:,}", setup.device, where)


def spell_input(facts: Facts) -> str:
    """What one input is, in a few words."""
    shape = "×".join(map(str, facts.input_shape))
    if facts.kind == "ratings":
        return " and ".join(facts.features)
    if facts.kind == "series":
        return f"{facts.input_shape[0]} steps of {', '.join(facts.features)}"
    return f"{shape} {'pixels' if facts.kind == 'image' else 'feature' if shape == '1' else 'features'}"


def progress(rows: Iterator[Row], epochs: int, verbosity: int) -> Iterator[Row]:
    """Passes the rows on, with a bar on a terminal and a few plain lines elsewhere."""
    if sys.stdout.isatty() and verbosity >= logging.INFO and _console_is_on():
        with tqdm(total=epochs, unit="epoch", dynamic_ncols=True, file=sys.stdout) as bar:
            for row in rows:
                bar.update(int(row["epoch"]) - bar.n)
                bar.set_postfix_str(_spelled(row), refresh=False)
                yield row
        return
    every = max(1, -(-epochs // PROGRESS_LINES))
    for row in rows:
        if row["epoch"] % every == 0 or row["epoch"] in (1, epochs):
            log.log(verbosity, "epoch   %d/%d  %s", row["epoch"], epochs, _spelled(row))
        yield row


def finish_sweep(folder: Path, count: int) -> tuple[int, dict[str, Any]]:
    """Sums up the jobs below a sweep's folder and draws the best one's plots and page.

    Args:
        folder: of the sweep.
        count: how many jobs there should be.

    Returns:
        The exit code, and the summary.
    """
    _redact(folder / "multirun.yaml")
    summary = summarize(folder)
    for job in summary.failed:
        log.warning("failed  job %s: %s", job["job"], job["error"] or job["state"])
    if summary.best is not None:
        best = RunDir(folder / summary.best["job"])
        write_report(best)
        log.info("best    %s (%s %.4g)", summary.best["overrides"], summary.measure, summary.best[summary.measure])
        log.info("report  %s", best.report)
    elif not summary.measure:
        log.info("best    none: the jobs differ in their data, and so do their results")
    log.info("sweep   %s", folder / "sweep.csv")
    complete = len(summary.rows) == count and not summary.failed
    return (0 if complete else 6), summary.as_dict()


def configure_logging(console: bool = True) -> None:
    """Sends what dltrain says to standard output, warnings to standard error; without `console`, only warnings."""
    log.handlers.clear()
    log.setLevel(logging.DEBUG)
    log.propagate = False
    if console:
        out = _Console(sys.stdout)
        out.addFilter(lambda record: logging.INFO <= record.levelno < logging.WARNING)
        log.addHandler(out)
    log.addHandler(err := logging.StreamHandler(sys.stderr))
    err.setLevel(logging.WARNING)


class _Console(logging.StreamHandler[TextIO]):
    """Standard output, until whoever reads it has gone: a run goes on when `| head` has seen enough."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            log.removeHandler(self)
        else:
            super().handleError(record)


def save_config(run: RunDir, composed: DictConfig, hydra: Any) -> None:
    """Writes the composed config and Hydra's own, without secrets and with interpolations as they were written."""
    config = redacted(OmegaConf.to_container(composed, resolve=False))
    tasks = redacted(OmegaConf.to_container(hydra.overrides.task))
    own = redacted(OmegaConf.to_container(OmegaConf.create({"hydra": hydra}), resolve=False))
    make_folder(run.hydra)
    for path, value in (
        (run.config, config),
        (run.hydra / "config.yaml", config),
        (run.hydra / "hydra.yaml", own),
        (run.hydra / "overrides.yaml", tasks),
    ):
        write_text(path, OmegaConf.to_yaml(OmegaConf.create(value)))
    save_changes(run, config, hydra)


def save_changes(run: RunDir, config: Mapping[str, Any], hydra: Any) -> None:
    """Writes which of the config's values are not the defaults."""
    sources = (Path(source.path) for source in hydra.runtime.config_sources if source.provider == "command-line")
    try:
        changes = find_changes(config, picked_options(hydra.runtime.choices), next(sources, None))
    except (DltrainError, OmegaConfBaseException, HydraException) as error:
        log.warning("what differs from the defaults cannot be told: %s", " ".join(str(error).split()))
        return
    # The config's secrets have been taken out; a default that is one is taken out here.
    said = [change._asdict() | {"default": redacted(change.default, change.key)} for change in changes]
    write_json(run.changes, {"changes": said})


def _redact(path: Path) -> None:
    """Takes the secrets out of a file that Hydra itself has written."""
    if path.exists():
        written = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        write_text(path, OmegaConf.to_yaml(OmegaConf.create(redacted(written))))


@contextmanager
def _logged_to(run: RunDir) -> Iterator[None]:
    """Keeps what is said meanwhile in the run's log."""
    handler = logging.FileHandler(run.log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


def _record(run: RunDir, error: DltrainError) -> None:
    """Writes down why the run ended; whoever started it tells the user."""
    said = {"error": error.what, "where": error.where, "fix": error.fix, "override": error.override}
    run.write_status(error.state, exit_code=error.exit_code, **said)
    with run.log.open("a", encoding="utf-8") as file:
        file.write(f"{error.state}: {error.what}\n")


def _console_is_on() -> bool:
    return any(isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout for handler in log.handlers)


def _spelled(row: Row) -> str:
    return "  ".join(f"{key} {row[key]:.4g}" for key in PROGRESS_METRICS if key in row)
