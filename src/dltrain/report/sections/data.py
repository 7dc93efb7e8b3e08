"""What was learned from, and how to get the run again."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dltrain.drawing.section import Code, Plots, Section, Table, listed, shown
from dltrain.drawing.wording import count, name_class, spell, spell_seconds
from dltrain.runs.reader import SPLIT_WORDS, Run


def data(run: Run, plots: Plots) -> Section:
    """What was learned from, and what was inferred about it."""
    facts, said = run.facts, run.result["data"]
    splits = ", ".join(f"{split} {said['splits'][split]:,}" for split in SPLIT_WORDS if split in said["splits"])
    pairs = [
        ("Samples", f"{said['rows']:,}: {splits}"),
        ("Target", f"{facts.target} ({facts.task})"),
        ("Input", _spell_shape(facts.kind, facts.input_shape)),
    ]
    if facts.outputs:
        pairs.append(("Outputs", listed([shown(name) for name in facts.outputs])))
    if facts.features:
        pairs.append(("Features", listed([shown(name) for name in facts.features])))
    if facts.classes:
        names = [shown(name_class(facts, index)) for index in range(len(facts.classes))]
        counted = [f"{name} ({number:,})" for name, number in zip(names, facts.class_counts, strict=False)]
        pairs.append((f"{len(names)} classes", listed(counted) + " in training" if counted else listed(names)))
    if "formula" in facts.truth:
        pairs.append(("Truth", f"{facts.target} = {facts.truth['formula']}"))
    pairs.append(("Fingerprint", str(said.get("fingerprint", ""))[:16]))
    found = [f"{finding['what']}; {finding['fix']}" for finding in run.result.get("doctor") or ()]
    return Section("Data", plots=plots["data"], pairs=pairs, notes=[*found, *run.notes])


def changed(run: Run, plots: Plots) -> Section:
    """Which values of the config are not the defaults."""
    title = "What was changed"
    if run.changes is None:
        return Section(title)
    if not run.changes:
        return Section(title, notes=["Nothing: every value is the default for this data and this model."])
    rows = [[key, shown(default) or "–", shown(value)] for key, default, value in run.changes]
    return Section(title, tables=[Table(["Key", "Default", "This run"], rows, numbers_from=len(rows[0]))])


def reproduction(run: Run, plots: Plots) -> Section:
    """How to get this run again."""
    result = run.result
    codes = [] if run.command is None else [Code(run.command)]
    if run.folder.config.exists():
        codes.append(Code(run.folder.config.read_text(encoding="utf-8").rstrip(), folded="The whole config"))
    threads = f", {count(result['threads'], 'thread')}" if result.get("device") == "cpu" else ""
    pairs = [
        ("Seed", str(result.get("seed"))),
        ("Device", f"{result.get('device')}{threads}"),
        ("Duration", spell_seconds(result["seconds"])),
        ("Training speed", f"{spell(result['samples_per_second'], 3)} samples per second"),
        ("Parameters", f"{result['parameters']:,}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in result.get("versions", {}).items())),
    ]
    if result.get("git"):
        commit = str(result["git"])
        pairs.append(("Commit", commit[:12] + (" with changes on top" if commit.endswith("+") else "")))
    return Section("Reproduce", pairs=pairs, codes=codes)


def _spell_shape(kind: str, shape: Sequence[int]) -> str:
    if kind == "image":
        channels, height, width = shape
        return f"{width} × {height} pixels, {count(channels, 'channel')}"
    if kind in ("text", "corpus"):
        return f"up to {count(shape[0], 'token')}"
    if kind == "series":
        return f"windows of {count(shape[0], 'step')} of {count(shape[1], 'column')}"
    if kind == "ratings":
        return "a user and an item"
    if kind != "table":
        return " × ".join(map(str, shape))
    return count(math.prod(shape), "feature")
