"""Training from Python: `dltrain.train("model=mlp", "data=cubic")`."""

from __future__ import annotations

from time import perf_counter

import torch

from dltrain.config.compose import compose_job
from dltrain.config.quoting import quote
from dltrain.errors import ConfigError
from dltrain.experiment.log import configure_logging
from dltrain.experiment.run import run_single
from dltrain.inference.load import LoadedModel, load
from dltrain.training.random_state import undisturbed


def train(*overrides: str, quiet: bool = False, device: str = "auto") -> LoadedModel:
    """Trains what the overrides describe, as `dltrain train` does, and loads its best model.

    It may be called from a notebook, from another program of Hydra's, and from any thread; calls from several threads
    run one after the other. Random number generators and torch's number of threads are as before afterwards.

    Args:
        overrides: `group=choice` and `key=value`, as on the command line; `hydra.run.dir=...` names the run's folder.
        quiet: print nothing but warnings.
        device: that the model is to be used on afterwards.

    Returns:
        The model; its metrics are in `result`, its folder is `run.path`.

    Raises:
        DltrainError: it could not be trained.
        ExceptionGroup: it could not be trained for several reasons, each a DltrainError.
        KeyboardInterrupt: it was interrupted; `dltrain resume` goes on from its folder.
    """
    began = perf_counter()
    if any(override.startswith("-") for override in overrides):
        raise ConfigError(
            "train() takes overrides and no flags", fix="leave the flags out; to train several models, use a loop"
        )
    try:
        job = compose_job([quote(override) for override in overrides])
        configure_logging(console=not quiet)
        named = any(override.startswith("hydra.run.dir=") for override in job.overrides)
        with undisturbed(torch.device("cpu")):
            run = run_single(job, began, named=named)
    except ExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None
    return load(run.path, trust=None, device=device)
