"""How to use the model: commands to paste."""

from __future__ import annotations

import json
import shlex

from dltrain.drawing.section import Code, Plots, Section
from dltrain.runs.reader import Run

INPUTS = {"table": "new.csv", "image": "picture.jpg", "text": "new.txt", "ratings": "new.csv", "series": "new.csv"}
LABELLED = {"image": "labelled/", "corpus": "other.txt"}


def use(run: Run, plots: Plots) -> Section:
    """What can be done with the run folder, from the folder in which it was trained."""
    kind, place = run.facts.kind, shlex.quote(run.place)
    new = INPUTS.get(kind)
    codes = []
    if new:
        codes.append(Code(f"dltrain predict {place} {new}", words=_of_what(run)))
    if kind == "series":
        steps = run.facts.preprocessing.get("horizon", 1)
        codes.insert(0, Code(f"dltrain predict {place} --steps {steps}", words="Forecast what comes next:"))
    if kind == "corpus":
        words = "Let it go on from a text:"
        codes.append(Code(f"dltrain predict {place} --prompt '...' --temperature 0.7 --steps 200", words=words))
    if kind == "ratings":
        user = shlex.quote(next(iter(run.facts.preprocessing.get("users", ())), "42"))
        codes.insert(0, Code(f"dltrain predict {place} --user {user} --top 10", words="Recommend to a user:"))
    labelled = f" data.path={LABELLED.get(kind, 'labelled.csv')}" if "path" in (run.config.get("data") or {}) else ""
    words = "Measure it on other samples whose answers are known" if labelled else "Measure it again"
    codes.append(Code(f"dltrain evaluate {place}{labelled}", words=f"{words}:"))
    codes.append(Code(f"dltrain export {place} --format onnx", words="Take it elsewhere:"))
    if epochs := run.result.get("epochs"):
        words = "Train it further, from where it ended:"
        allowed = (run.config.get("trainer") or {}).get("epochs")
        more = 2 * max(int(epochs), allowed if isinstance(allowed, int) else 0)
        codes.append(Code(f"dltrain resume {place} trainer.epochs={more}", words=words))
    if new:
        name = json.dumps(run.place, ensure_ascii=False)
        python = f'import dltrain\n\nprint(dltrain.load({name}).predict("{new}"))'
        codes.append(Code(python, words="From Python:"))
    return Section("How to use it", codes=codes)


def _of_what(run: Run) -> str:
    facts = run.facts
    columns = facts.preprocessing.get("columns")
    if facts.kind == "image":
        return "Predict a picture, or every picture of a folder:"
    names = [str(column["name"]) for column in columns] if columns else list(facts.features)
    if facts.kind != "table" or not names:
        return "Predict new samples:"
    verb = "are" if facts.target == ", ".join(facts.outputs) else "is"
    needed = f"its columns {', '.join(names)}" if len(names) <= 12 else f"the {len(names):,} columns named under Data"
    return f"Predict new rows, from a table with {needed}; {facts.target} {verb} not needed:"
