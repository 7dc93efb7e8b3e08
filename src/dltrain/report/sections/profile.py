"""The section about where the time of a run went."""

from __future__ import annotations

from dltrain.drawing.section import Plots, Section, Table
from dltrain.runs.folder import read_json
from dltrain.runs.reader import Run


def profile(run: Run, plots: Plots) -> Section:
    """Returns the section of the seconds that each part of the run took; empty where they were not measured."""
    path = run.folder.profile
    if not path.exists():
        return Section("Where the time went")
    seconds = read_json(path)
    total = float(seconds.pop("total"))
    rows = [
        [part, f"{float(spent):.2f}", f"{100 * float(spent) / total:.1f} %"]
        for part, spent in seconds.items()
        if float(spent) >= 0.005
    ]
    caption = (
        "Of the process that ended the run, from its command to its page, without the start of Python and without what "
        "earlier processes trained before it was resumed. In epochs, the parts are measured around each step; on a GPU "
        "every part waits for the one before it, which makes steps slower."
    )
    return Section("Where the time went", tables=[Table(["Part", "Seconds", "Share"], rows, caption)])
