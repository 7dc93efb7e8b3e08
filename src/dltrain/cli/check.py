"""`dltrain check [overrides]`: builds everything and estimates the cost of training; writes nothing.

Of a sweep or a search, it builds every job that is known before it begins.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dltrain.cli.commands import COMMANDS, Options
from dltrain.cli.imports import imports

if TYPE_CHECKING:
    from dltrain.config.compose import Sweep
    from dltrain.experiment.build import Setup

STEPS = 5  # timed in each of two short epochs


def run(arguments: Sequence[str], options: Options) -> int:
    """Builds model and data, checks them, and times a few steps to estimate what training would cost.

    Raises:
        DltrainError, ExceptionGroup: the config cannot be trained.
    """
    flags = COMMANDS["check"].parse(arguments)
    with imports():
        from dltrain.config.compose import Sweep, compose
        from dltrain.config.quoting import quote

    job = compose([quote(word) for word in flags.words], flags.config_dir, multirun=flags.multirun)
    if isinstance(job, Sweep):
        return check_whole(job, options)
    with imports():
        from dltrain.data.samples.on_demand import on_approval
        from dltrain.experiment.log import configure_logging
        from dltrain.experiment.run import build_checked, introduce

    with on_approval():  # removes again the sample data that building writes
        setup = build_checked(job.config, job.key_files, job.overrides)
    configure_logging(console=not (options.quiet or options.json))
    introduce(setup)
    cost = measure_step(setup)
    if options.json:
        facts = setup.data.facts
        findings = [*map(str, setup.source.findings), *setup.notes]
        splits = {name: len(split) for name, split in setup.data.splits.items()}
        answer = {"task": facts.task, "classes": facts.classes, "splits": splits, "notes": setup.data.notes}
        answer |= {"start": setup.start}
        print(json.dumps(answer | {"findings": findings} | cost, ensure_ascii=False))
    elif not options.quiet:
        print(
            f"step    {cost['batch_size']} samples in {1000 * cost['step_seconds']:.1f} ms; "
            f"model and data take {cost['megabytes']:.1f} MB"
        )
        epochs = setup.settings.last_epoch
        print(f"time    about {_spelled(cost['seconds'])} for {epochs} epochs, less if it stops early")
        print("check   passed; nothing was written")
    return 0


def check_whole(sweep: Sweep, options: Options) -> int:
    """Builds and tries the jobs of a sweep, and of a search those at the ends of its choices.

    Raises:
        DltrainError, ExceptionGroup: a job or the sweeper is refused.
    """
    from dltrain.experiment.sweep import check_sweep

    check_sweep(sweep)
    if options.json:
        print(json.dumps({"jobs": sweep.count, "checked": len(sweep.jobs)}))
    elif not options.quiet:
        words = f"{sweep.count} jobs" if sweep.count is not None else f"a search; {len(sweep.jobs)} jobs at its ends"
        print(f"sweep   {words}, each built and tried")
        print("check   passed; nothing was written")
    return 0


def measure_step(setup: Setup) -> dict[str, Any]:
    """Returns what training would cost: parameters, batch size, seconds (per step, in all), megabytes."""
    import torch

    from dltrain.experiment.features import estimate
    from dltrain.training.loop import epochs_of, fit

    torch.set_num_threads(setup.threads)
    train, once = estimate(setup)
    few = copy(train)
    few.sizes = few.sizes[:STEPS]
    settings = replace(setup.settings, epochs=min(2, setup.settings.last_epoch), monitor="train/loss")
    rows = epochs_of(fit(setup.state, setup.task, few, None, settings))
    seconds = min(row["train_seconds"] for row in rows) / len(few)
    model = setup.state.model
    tensors = [*model.parameters(), *model.buffers(), *setup.train.inputs, setup.train.target]
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "batch_size": setup.train.sizes[0],
        "step_seconds": seconds,
        "seconds": once + seconds * len(setup.train) * setup.settings.last_epoch,
        "megabytes": sum(tensor.nbytes for tensor in tensors) / 1e6,
    }


def _spelled(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
