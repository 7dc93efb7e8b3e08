"""`dltrain resume RUN [overrides]`: continues a run in its own folder, from its newest intact checkpoint.

Of a sweep, it runs the jobs that are missing or failed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from dltrain.cli.commands import COMMANDS, Options
from dltrain.cli.imports import imports


def run(arguments: Sequence[str], options: Options) -> int:
    """Continues training, with the values that the overrides change; of a sweep, runs what is missing or failed.

    Raises:
        DltrainError, ExceptionGroup: the run cannot be continued, and nothing in its folder was changed; or training
            failed, and status.json says why.
    """
    began = perf_counter()
    flags, (folder,) = COMMANDS["resume"].read(arguments)

    with imports():
        from dltrain.config.quoting import quote
        from dltrain.experiment.resume import apply, check_same_run, read_config, resolved
        from dltrain.experiment.signals import Stopped
        from dltrain.experiment.targets import check_trust
        from dltrain.runs.folder import RunDir, refuse_links
        from dltrain.runs.lock import locked
        from dltrain.runs.result import Result
        from dltrain.runs.sweep_record import is_sweep

    if is_sweep(Path(folder)):
        with imports():
            from dltrain.experiment.log import configure_logging
            from dltrain.experiment.sweep import resume_sweep

        quiet = options.quiet or options.json
        configure_logging(console=not quiet)
        code, answer = resume_sweep(Path(folder), flags.overrides, quiet=quiet)
        if options.json:
            print(json.dumps(answer, ensure_ascii=False))
        return code
    overrides = [quote(f"{key}={value}") for key, value in flags.overrides.items()]
    run_dir = RunDir(folder)
    with locked(run_dir.path):
        refuse_links(run_dir.path)
        before = read_config(run_dir)
        if run_dir.result.exists():
            Result.read(run_dir)  # refuses a folder of a newer version
        if run_dir.facts.exists():
            run_dir.read_facts()
        if run_dir.history.exists():
            run_dir.read_history()
        after = before.copy()
        apply(overrides, after)
        config = resolved(after)
        check_trust(config, flags.trust)
        if not flags.force:
            check_same_run(before, after)

        with imports():
            from dltrain.experiment.continuation import resume_job
            from dltrain.experiment.log import configure_logging

        configure_logging(console=not (options.quiet or options.json))
        try:
            resume_job(run_dir, after, config, began, force=flags.force)
        except Stopped as stopped:
            if options.json:
                print(json.dumps(stopped.status, ensure_ascii=False))
            return stopped.exit_code
        if options.json:
            print(json.dumps(Result.read(run_dir).as_dict(), ensure_ascii=False))
    return 0
