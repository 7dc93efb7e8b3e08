"""`dltrain find_lr [overrides]`: which learning rate to begin with, from a short test; nothing is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import copy

from dltrain.cli.commands import Options
from dltrain.cli.main import corrected
from dltrain.config.compose import compose_jobs
from dltrain.config.quoting import quote
from dltrain.errors import ConfigError

STEPS = 100
LINES = 12
BAR = 40  # characters


def run(arguments: Sequence[str], options: Options) -> int:
    """Builds what the overrides describe, and takes a step at each of many rates.

    Raises:
        DltrainError, ExceptionGroup: it could not be trained, or its loss falls at no rate.
    """
    (job,) = compose_jobs([quote(argument) for argument in arguments], sweep=False)
    import torch

    from dltrain.experiment import build
    from dltrain.experiment.log import configure_logging
    from dltrain.experiment.run import check_jobs, introduce
    from dltrain.training.finder import suggest_rate, try_rates

    check_jobs([job])
    configure_logging(console=not (options.quiet or options.json))
    setup = build.build(job.config)
    introduce(setup)
    torch.set_num_threads(setup.threads)
    one_batch = copy(setup.train)
    one_batch.sizes = one_batch.sizes[:1]
    trials = try_rates(setup.state, setup.task, one_batch, setup.settings, STEPS)
    lr = suggest_rate(trials)
    if options.json:
        tried = [{"lr": trial.lr, "loss": trial.loss} for trial in trials]
        print(json.dumps({"lr": lr, "trials": tried}))
    elif not options.quiet:
        most = max(trial.smooth for trial in trials)
        for trial in trials[:: -(-len(trials) // LINES)]:
            print(f"lr      {trial.lr:<8.1e} loss {trial.smooth:<9.4g} {'█' * round(BAR * trial.smooth / most)}")
        fix = ConfigError("", override=f"optimizer.lr={lr:g}")
        print(f"try     {corrected(arguments, [fix])}")
    return 0
