"""The section about how to use the model, with commands to copy."""

from __future__ import annotations

import shlex

from dltrain.drawing.section import Code, Plots, Section
from dltrain.kinds.kind import page_of_kind
from dltrain.runs.reader import Run


def use(run: Run, plots: Plots) -> Section:
    """Returns the section of commands that use the run's folder, from the folder in which it was trained."""
    page, place = page_of_kind(run.facts), shlex.quote(run.place)
    codes = page.usage(run)
    labelled = f" data.path={page.labelled}" if "path" in (run.config.get("data") or {}) else ""
    words = "Evaluate it on other labelled samples" if labelled else "Evaluate it again"
    codes.append(Code(f"dltrain evaluate {place}{labelled}", words=f"{words}:"))
    codes.append(Code(f"dltrain export {place} --format onnx", words="Export it to use it without dltrain:"))
    if epochs := run.result.epochs:
        words = "Train it for more epochs, from where it ended:"
        allowed = (run.config.get("trainer") or {}).get("epochs")
        more = 2 * max(epochs, allowed if isinstance(allowed, int) else 0)
        codes.append(Code(f"dltrain resume {place} trainer.epochs={more}", words=words))
    return Section("How to use it", codes=codes + page.python_usage(run))
