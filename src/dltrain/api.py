"""Training from Python: `dltrain.train("model=mlp", "data=cubic")`."""

from __future__ import annotations

from dltrain.cli import train as command
from dltrain.cli.commands import Options
from dltrain.config.compose import compose_jobs
from dltrain.config.quoting import quote, quoted
from dltrain.errors import ConfigError
from dltrain.experiment.run import check_jobs
from dltrain.inference.load import LoadedModel, load
from dltrain.runs.lock import reserve


def train(*overrides: str, quiet: bool = False, device: str = "auto") -> LoadedModel:
    """Trains what the overrides describe, as `dltrain train` does, and loads its best model.

    Args:
        overrides: `group=choice` and `key=value`, as on the command line; `hydra.run.dir=...` names the run's folder.
        quiet: say nothing but warnings.
        device: that the model is to be used on afterwards.

    Returns:
        The model; its metrics are in `result`, its folder is `run.path`.

    Raises:
        DltrainError, ExceptionGroup: it could not be trained.
    """
    if any(override.startswith("-") for override in overrides):
        raise ConfigError("flags are for the command line", fix="train in a loop in place of -m")
    words = [quote(override) for override in overrides]
    (job,) = compose_jobs(words, sweep=False)
    check_jobs([job])
    folder = job.run_dir
    if not any(word.startswith("hydra.run.dir=") for word in words):
        folder = reserve(folder)
        words.append(f"hydra.run.dir={quoted(str(folder))}")
    if command.run(words, Options(quiet=quiet)) in (130, 143):
        raise KeyboardInterrupt
    return load(folder, trust=None, device=device)
