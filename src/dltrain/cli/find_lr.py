"""`dltrain find_lr [overrides]`: suggests a learning rate from a short test; writes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import copy

from dltrain.cli.commands import COMMANDS, Options
from dltrain.cli.imports import imports
from dltrain.cli.proposals import corrected, spell
from dltrain.errors import ConfigError

STEPS = 100
LINES = 12
BAR = 40  # characters


def run(arguments: Sequence[str], options: Options) -> int:
    """Builds model and data, and takes a step at each of many learning rates.

    Raises:
        DltrainError, ExceptionGroup: the config cannot be trained, or no learning rate lowers the loss.
    """
    flags = COMMANDS["find_lr"].parse(arguments)
    from dltrain.config.compose import compose_job
    from dltrain.config.quoting import quote

    job = compose_job([quote(word) for word in flags.words], flags.config_dir)
    with imports():
        import torch

        from dltrain.data.samples.on_demand import on_approval
        from dltrain.experiment.features import with_cached_features
        from dltrain.experiment.log import configure_logging
        from dltrain.experiment.run import build_checked, introduce
        from dltrain.training.finder import suggest_rate, try_rates

    with on_approval():  # removes again the sample data that building writes
        setup = build_checked(job.config, job.key_files, job.overrides)
    configure_logging(console=not (options.quiet or options.json))
    introduce(setup)
    torch.set_num_threads(setup.threads)
    setup = with_cached_features(setup)
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
        print(f"try     {spell(corrected(arguments, [fix]))}")
    return 0
