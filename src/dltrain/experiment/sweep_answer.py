"""Sums up a sweep that has ended: the table, the page, the test split of the chosen jobs, and what is printed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dltrain.errors import explained
from dltrain.experiment.continuation import read_test_split
from dltrain.experiment.loggers import log_plots
from dltrain.experiment.resume import read_config, resolved
from dltrain.experiment.sweep_job import redact_file
from dltrain.report.out_of_fold import NAME as OUT_OF_FOLD
from dltrain.report.out_of_fold import write_out_of_fold
from dltrain.report.page import write_report
from dltrain.report.sweep import read_overrides, read_summary, summarize
from dltrain.report.sweep_page import NAME as PAGE
from dltrain.report.sweep_page import describe_answer, describe_test, write_page
from dltrain.runs.folder import RunDir
from dltrain.runs.result import Result
from dltrain.runs.sweep_record import SweepRecord

log = logging.getLogger("dltrain")


def finish_sweep(
    folder: Path,
    count: int | None,
    record: SweepRecord,
    configs: Mapping[tuple[str, ...], Mapping[str, Any]],
    *,
    ended: bool,
) -> tuple[int, dict[str, Any]]:
    """Sums up the jobs in a sweep's folder, reads the test split for the chosen ones, and draws the best one's page.

    Args:
        folder: the sweep's folder.
        count: the expected number of jobs; None if the sweeper decides.
        record: of the sweep.
        configs: the resolved config of each job, by its overrides.
        ended: whether the sweeper came to its end, so that the choice is final.

    Returns:
        The exit code, and the summary.

    Raises:
        Stopped: a signal asked the process to end.
    """
    redact_file(folder / "multirun.yaml")
    summary = read_summary(folder)
    if lines := write_out_of_fold(summary, folder):
        log.info("folds   %s: %s predictions of rows that a model had not seen", folder / OUT_OF_FOLD, f"{lines:,}")
    if ended and record.test_later:
        for row in summary.chosen:
            _read_test(folder, row, configs, is_best=row is summary.best)
        summary = read_summary(folder)
    for job in summary.failed:
        log.warning("failed  job %s: %s", job["job"], job["error"] or job["state"])
    if summary.best is not None:
        best = RunDir(folder / summary.best["folder"])
        write_report(best)
        log_plots(configs.get(read_overrides(best)) or {}, best)
        log.info("best    %s (%s %.4g)", summary.best["overrides"], summary.measure, summary.best[summary.measure])
        for sentence in [*describe_answer(summary), describe_test(summary)]:
            log.info("        %s", sentence)
        log.info("repeat  %s", summary.command)
        log.info("report  %s", best.report)
    else:
        log.info("best    none: %s", summary.reason)
    complete = bool(summary.rows) and count in (None, len(summary.rows)) and not summary.failed
    record.with_state(("done" if complete else "failed") if ended else "interrupted").write(folder)
    write_page(summarize(folder), folder)
    log.info("sweep   %s", folder / PAGE)
    return (0 if complete else 6), summary.as_dict()


def _read_test(
    folder: Path, row: Mapping[str, Any], configs: Mapping[tuple[str, ...], Mapping[str, Any]], *, is_best: bool
) -> None:
    """Reads the test split for a job that was chosen, unless it has done so, or there is none."""
    run = RunDir(folder / row["folder"])
    result = Result.read(run)
    if result.test or not result.data.splits.get("test"):
        return
    try:
        config = configs.get(read_overrides(run)) or resolved(read_config(run))
        read_test_split(run, config, str(folder), has_baselines=is_best)
    except Exception as error:
        reason = explained(error) or error
        log.warning("warning the test split cannot be read for job %s: %s", row["job"], reason)
