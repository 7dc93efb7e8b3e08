"""`dltrain report RUN`: draws a finished run's plots and page again, or a sweep's page, from its folder alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dltrain.cli.commands import COMMANDS, Options
from dltrain.cli.imports import imports


def run(arguments: Sequence[str], options: Options) -> int:
    """Draws the page of each given run.

    Raises:
        ConfigError: no run is given.
        CheckpointError: a folder is not a finished run.
    """
    flags, paths = COMMANDS["report"].read(arguments)
    with imports():
        from dltrain.report.page import write_report
        from dltrain.report.sweep import summarize
        from dltrain.report.sweep_page import write_page
        from dltrain.runs.folder import RunDir
        from dltrain.runs.sweep_record import is_sweep

    for path in paths:
        if is_sweep(Path(path)):
            page = write_page(summarize(Path(path)), Path(path))
            if options.json:
                print(json.dumps({"report": str(page)}))
            elif not options.quiet:
                print(f"report  {page}")
            continue
        run_dir = RunDir(path)
        if flags.trust:
            from dltrain.experiment.targets import meet_kind, meet_task

            facts = run_dir.read_facts()
            meet_kind(facts.kind, flags.trust)
            meet_task(facts.task, flags.trust)
        write_report(run_dir)
        if options.json:
            print(json.dumps({"report": str(run_dir.report)}))
        elif not options.quiet:
            print(f"report  {run_dir.report}")
    return 0
