"""`dltrain report RUN`: draws a finished run's plots and page again, from its folder alone."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dltrain.cli.commands import COMMANDS, Options


def run(arguments: Sequence[str], options: Options) -> int:
    """Draws the page of each given run.

    Raises:
        ConfigError: no run is given.
        CheckpointError: a folder is not a finished run.
    """
    flags, paths = COMMANDS["report"].read(arguments)
    from dltrain.report.page import write_report
    from dltrain.runs.folder import RunDir

    for path in paths:
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
