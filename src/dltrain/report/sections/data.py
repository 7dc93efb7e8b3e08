"""The sections about the data, the changed settings, and how to reproduce the run."""

from __future__ import annotations

from dltrain.drawing.section import Code, Plots, Section, Table, listed, shown
from dltrain.drawing.wording import count, spell, spell_seconds
from dltrain.kinds.kind import page_of_kind
from dltrain.runs.reader import SPLIT_WORDS, Run
from dltrain.tasks.registry import page_of


def data(run: Run, plots: Plots) -> Section:
    """Returns the section about the data, with what was inferred and noticed about it."""
    facts, record = run.facts, run.result.data
    sizes = {split: f"{record.splits[split]:,}" for split in SPLIT_WORDS if split in record.splits}
    if facts.folds:
        sizes["train"] += f" in {facts.folds} folds, which also validate"
        del sizes["val"]
    splits = ", ".join(f"{run.name_of(split)} {size}" for split, size in sizes.items())
    pairs = [
        ("Samples", f"{record.rows:,}: {splits}"),
        ("Target", f"{facts.target} ({facts.task})"),
        ("Input", page_of_kind(facts).describe_input()),
    ]
    named = dict(page_of(facts).pairs())
    if facts.features:
        named.setdefault("Features", listed([shown(name) for name in facts.features]))
    pairs += named.items()
    if "formula" in facts.truth:
        pairs.append(("Truth", f"{facts.target} = {facts.truth['formula']}"))
    pairs.append(("Fingerprint", record.fingerprint[:16]))
    findings = [f"{finding['what']}; {finding['fix']}" for finding in run.result.doctor]
    return Section("Data", plots=plots["data"], pairs=pairs, notes=[*findings, *run.notes])


def changed(run: Run, plots: Plots) -> Section:
    """Returns the section of config values that are not the defaults."""
    title = "Changed settings"
    if run.changes is None:
        return Section(title)
    if not run.changes:
        return Section(title, notes=["None: every value is the default for this data and this model."])
    rows = [[key, shown(default) or "–", shown(value)] for key, default, value in run.changes]
    return Section(title, tables=[Table(["Key", "Default", "This run"], rows, numbers_from=len(rows[0]))])


def reproduction(run: Run, plots: Plots) -> Section:
    """Returns the section about how to reproduce this run."""
    result = run.result
    codes = [] if run.command is None else [Code(run.command)]
    if run.folder.config.exists():
        codes.append(Code(run.folder.config.read_text(encoding="utf-8").rstrip(), folded="The whole config"))
    threads = f", {count(result.threads, 'thread')}" if result.device == "cpu" else ""
    pairs = [
        ("Seed", str(result.seed)),
        ("Device", f"{result.device}{threads}"),
        ("Duration", spell_seconds(result.seconds)),
        ("Training speed", f"{spell(result.samples_per_second, 3)} samples per second"),
        ("Parameters", f"{result.parameters:,}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in result.versions.items())),
    ]
    if result.git:
        commit = result.git
        pairs.append(("Commit", commit[:12] + (" with uncommitted changes" if commit.endswith("+") else "")))
    return Section("Reproduce", pairs=pairs, codes=codes)
