"""`dltrain resume RUN [overrides]`: continue a run in its own folder, from its newest sound checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from dltrain.cli.arguments import Arguments
from dltrain.cli.commands import Options
from dltrain.cli.train import tell_outcome
from dltrain.config.quoting import quote
from dltrain.experiment.resume import apply, check_same_run, read_config, resolved
from dltrain.experiment.signals import Stopped
from dltrain.runs.folder import RunDir, refuse_links
from dltrain.runs.lock import locked

USAGE = "dltrain resume RUN [--force] [--trust MODULE] [trainer.epochs=200]"


def run(arguments: Sequence[str], options: Options) -> int:
    """Trains on, with other values where overrides give them.

    Raises:
        DltrainError, ExceptionGroup: the folder cannot be gone on with; nothing in it was changed.
    """
    began = perf_counter()
    parser = Arguments(USAGE)
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--trust", action="append", default=[])
    flags, (folder,) = parser.read(arguments, ("RUN",), None)
    overrides = [quote(f"{key}={value}") for key, value in flags.overrides.items()]
    run_dir = RunDir(folder)
    with locked(run_dir.path):
        refuse_links(run_dir.path)
        before = read_config(run_dir)
        if run_dir.result.exists():
            run_dir.read_result()  # a folder of a newer version is left as it is
        if run_dir.facts.exists():
            run_dir.read_facts()
        if run_dir.history.exists():
            run_dir.read_history()
        after = before.copy()
        apply(overrides, after)
        config = resolved(after)
        from dltrain.experiment.targets import check_trust

        check_trust(config, flags.trust)
        if not flags.force:
            check_same_run(before, after)
        from dltrain.experiment.log import configure_logging
        from dltrain.experiment.run import resume_job

        configure_logging(console=not (options.quiet or options.json))
        try:
            resume_job(run_dir, after, config, began, force=flags.force)
        except Stopped as stopped:
            return tell_outcome(run_dir, options) or stopped.exit_code
        return tell_outcome(run_dir, options)
