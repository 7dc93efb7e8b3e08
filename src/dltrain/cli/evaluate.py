"""`dltrain evaluate RUN [data.path=...]`: measures a trained model on new labelled data, or on its test split."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dltrain.cli.commands import COMMANDS, Options
from dltrain.cli.imports import imports
from dltrain.cli.predict import table_format
from dltrain.data.nouns import count
from dltrain.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from dltrain.inference.evaluate import Evaluation
    from dltrain.inference.inputs import Input
    from dltrain.inference.load import LoadedModel
    from dltrain.runs.folder import RunDir


def run(arguments: Sequence[str], options: Options) -> int:
    """Measures a model, and writes a folder with predictions and a page, by default RUN/evaluations/NAME.

    Raises:
        DltrainError: the run or the data cannot be used.
    """
    flags, (run_folder,) = COMMANDS["evaluate"].read(arguments)

    with imports():
        from dltrain.experiment.log import configure_logging
        from dltrain.inference.load import load
        from dltrain.inference.views import with_views
        from dltrain.report.page import write_report
        from dltrain.runs.folder import RunDir
        from dltrain.runs.lock import reserve

    configure_logging(console=False)
    model = load(run_folder, trust=flags.trust, device=flags.overrides.get("trainer.device", "auto"))
    if flags.tta:
        model = with_views(model)
    evaluation = measure(
        model, flags.overrides, flags.slices, flags.trust, progress=not (options.quiet or options.json)
    )
    name = Path(flags.overrides.get("data.path", "test")).stem or "data"
    own = model.run.own(model.run.evaluations) / name
    folder = RunDir(Path(flags.output) if flags.output else reserve(own))
    write_folder(folder, model, evaluation)
    write_report(folder)
    if options.json:
        print(json.dumps(evaluation.as_dict() | {"report": str(folder.report)}, ensure_ascii=False))
    elif not options.quiet:
        for sentence in sentences(evaluation, model.run.path):
            print(sentence)
        print(f"report    {folder.report}")
    return 0


def measure(
    model: LoadedModel, overrides: dict[str, str], slices: str | None, trust: Sequence[str], *, progress: bool
) -> Evaluation:
    """Returns the evaluation on the data that the overrides name, or on the run's own held-out split."""
    from tqdm import tqdm

    from dltrain.inference.evaluate import evaluate_input, evaluate_split, own_test_split
    from dltrain.inference.inputs import open_inputs

    form = table_format(model, overrides)
    if "data.path" not in overrides:
        split, name = own_test_split(model, trust)
        column = None if slices is None else own_column(model, split.ids, name, slices)
        return evaluate_split(model, split, f"{name} split", column)
    path = overrides["data.path"]
    with closing(open_inputs([path], model.encoder, form, overrides.get("data.labels"))) as opened:
        hidden = not (progress and sys.stderr.isatty())
        with tqdm(total=opened.total, unit=opened.unit, unit_scale=opened.unit == "B", disable=hidden) as bar:

            def note(source: Input) -> None:
                bar.update(source.passed() - bar.n)

            return evaluate_input(model, opened, path, slices, note)


def own_column(model: LoadedModel, ids: Sequence[str], split: str, name: str) -> pd.Series[Any]:
    """Returns a column of the run's own table, for the rows of a split.

    Raises:
        DataError: the run's data is not a table in a file, or has no such column.
    """
    import pandas as pd

    from dltrain.inference.evaluate import column_of
    from dltrain.inference.inputs import open_input

    node = model.config.node("data")
    path = node.get(f"{split}_path") or node.get("path")
    if not path or not model.encoder.takes_rows:
        raise DataError("the run's data has no columns to slice by", where="--slices", fix="give data.path=TABLE")
    with closing(open_input(str(path), model.encoder, table_format(model, {}))) as opened:
        columns = [column_of(raw, name).set_axis(list(model.encoder.encode(raw).ids)) for raw in opened.parts]
    return pd.concat(columns).loc[list(ids)]


def write_folder(folder: RunDir, model: LoadedModel, evaluation: Evaluation) -> None:
    """Writes the evaluation as the folder of a run whose test split is the new data, so that reports can read it."""
    from dltrain.runs.folder import read_json
    from dltrain.storage import make_folder, write_json
    from dltrain.tasks.rows import write_examples, write_predictions

    if folder.status.exists() and "evaluated" not in folder.read_status():
        raise ConfigError(f"{folder.path} contains a run", where="-o", fix="choose another folder")
    make_folder(folder.path, parents=True)
    count = len(evaluation.split)
    splits = {name: size for name, size in model.record.data.splits.items() if name != "test"} | {"test": count}
    model.record.with_changes(
        test=dict(evaluation.metrics),
        shown_split="test",
        baseline={},
        comparison=None,
        doctor=(),
        basis={},
        data=replace(model.record.data, rows=count, splits=splits),
        certainty={"measured": dict(evaluation.certainty)},
        evaluation=evaluation.as_dict(),
    ).write(folder)
    notes = [" ".join(sentence.split()) for sentence in sentences(evaluation, model.run.path)]
    write_json(folder.facts, read_json(model.run.facts) | {"notes": [f"Evaluated on {evaluation.source}", *notes]})
    write_json(folder.status, {"schema": 1, "state": "done", "exit_code": 0, "evaluated": str(model.run.path)})
    write_predictions(folder, model.task, evaluation.split, evaluation.predictions)
    write_examples(folder, model.task, evaluation.split, evaluation.predictions)
    for name in (model.run.history, model.run.config):
        if name.exists() and folder.path.resolve() != model.run.path.resolve():
            shutil.copyfile(model.run.own(name), folder.path / name.name)


def sentences(evaluation: Evaluation, run: Path) -> list[str]:
    """Returns the result as lines of text, with commands that use the run's folder."""
    from dltrain.tasks.certainty import describe

    metrics, interval = evaluation.metrics, evaluation.interval
    lines = [f"evaluate  {count(len(evaluation.split), 'sample')} of {evaluation.source}"]
    lines.append("          " + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
    if interval is not None:
        lines.append(f"interval  {interval.measure} {interval.low:.4g} to {interval.high:.4g} (95 %, over the samples)")
    if evaluation.calibration_error is not None:
        lines.append(f"calibrate expected calibration error {evaluation.calibration_error:.3g}")
    for threshold in evaluation.thresholds:
        gain = f"{threshold.reached:.4g}, against {threshold.before:.4g} with 0.5"
        lines.append(f"threshold {threshold.value!r} maximizes {threshold.aim.replace('_', ' ')}: {gain}")
        lines.append(f"          dltrain predict {shlex.quote(str(run))} INPUT --threshold {threshold.value!r}")
    lines += [f"certainty {sentence}" for sentence in describe({"measured": evaluation.certainty})]
    for group in evaluation.groups:
        words = "  ".join(f"{name} {value:.4g}" for name, value in group.metrics.items())
        lines.append(f"slice     {group.name}: {count(group.samples, 'sample')}  {words}")
    return [*lines, *(f"note      {note}" for note in evaluation.notes)]
