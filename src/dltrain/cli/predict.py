"""`dltrain predict RUN INPUT [-o FILE]`: predicts new samples with a trained model, from the run's folder alone."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dltrain.cli import predict_ahead
from dltrain.cli.commands import COMMANDS, Options
from dltrain.cli.imports import imports
from dltrain.data.nouns import count, verb
from dltrain.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from dltrain.data.table_format import TableFormat
    from dltrain.inference.explanations import Explanations
    from dltrain.inference.frames import Tally
    from dltrain.inference.inputs import Input
    from dltrain.inference.load import LoadedModel
    from dltrain.tasks.certainty import Certainty

MOST_REMARKS = 20  # that are printed
PROMPT_FLAGS = ("temperature", "top_k", "top_p", "seed")


def run(arguments: Sequence[str], options: Options) -> int:
    """Predicts a table, images or standard input (`-`) part by part; prints remarks about odd input at the end.

    Raises:
        DltrainError: the run or the input cannot be used.
    """
    flags, (run_folder, *sources) = COMMANDS["predict"].read(arguments)
    if flags.prompt is not None:
        return continue_prompt(flags, run_folder, sources, options)
    if given := [name for name in PROMPT_FLAGS if getattr(flags, name) is not None]:
        name = f"--{given[0].replace('_', '-')}"
        raise ConfigError(f"{name} needs --prompt", where=name, fix=f"give --prompt TEXT, or leave {name} out")
    of_items = flags.user or flags.everyone or flags.likes or (flags.top is not None and not sources)
    if flags.steps is not None or of_items:
        return predict_ahead.run(flags, run_folder, sources, options)
    if not sources:
        raise ConfigError("INPUT is missing", fix=COMMANDS["predict"].usage)
    output = None if flags.output in (None, "-") else Path(flags.output).expanduser()

    with imports():
        from dltrain.inference.explanations import Explanations
        from dltrain.inference.frames import Tally
        from dltrain.inference.inputs import open_inputs
        from dltrain.inference.load import load
        from dltrain.inference.views import with_views
        from dltrain.runs.folder import RunDir
        from dltrain.runs.tables import check_rows_path, open_rows, records
        from dltrain.tasks.certainty import Certainty

    if output is not None:
        check_rows_path(output)
        RunDir(Path(run_folder)).refuse_output(output)
        if output.exists() and any(Path(source).exists() and output.samefile(source) for source in sources):
            raise ConfigError(f"{output} is the input itself", where="-o", fix="choose another file")
    model = load(run_folder, trust=flags.trust, device=flags.overrides.get("trainer.device", "auto"))
    if flags.tta:
        if flags.sets or flags.interval is not None:
            what = "how sure predictions are was learned without test-time augmentation"
            raise ConfigError(what, where="--tta", fix="leave out --sets and --interval, or --tta")
        model = with_views(model)
    if flags.beams is not None:
        model = model.with_beams(flags.beams)
    certainty = Certainty(flags.interval, flags.sets, flags.threshold, flags.top)
    model.task.check_certainty(certainty)
    explanations = None if flags.explain is None else Explanations(model, Path(flags.explain).expanduser())
    tally = Tally()
    rows_of_answer: list[dict[str, Any]] = []
    labels = flags.overrides.get("data.labels")
    with closing(open_inputs(sources, model.encoder, table_format(model, flags.overrides), labels)) as opened:
        kept = [name for names in flags.keep for name in names.split(",")]
        frames = predicted(
            model, opened, tally, certainty, kept, explanations, progress=not (options.quiet or options.json)
        )
        if options.json and output is None:
            for frame in frames:
                rows_of_answer += records(frame)
        else:
            with open_rows(output) as rows:
                for frame in frames:
                    rows.write(frame)
    if options.json:
        answer = {"rows": tally.rows, "with_remarks": tally.odd, "remarks": tally.counts}
        result = {"predictions": rows_of_answer} if output is None else {"output": str(output)}
        print(json.dumps(answer | result, ensure_ascii=False))
    elif not options.quiet:
        stream = sys.stderr if output is None else sys.stdout
        for note in opened.notes:
            print(f"note    {note}", file=stream)
        report(tally, output, stream)
        if explanations is not None:
            print(f"explain {count(explanations.count, 'image')}, written to {explanations.folder}", file=stream)
        if note := model.task.note_on_certainty(certainty):
            print(f"note    {note}", file=stream)
    return 0


def continue_prompt(flags: Namespace, run_folder: str, sources: Sequence[str], options: Options) -> int:
    """Prints a prompt and the text with which a language model continues it, or the answer to a source.

    Raises:
        DltrainError: the run is of another kind, or a flag is out of range.
    """
    others = {**predict_ahead.RATINGS_FLAGS, "output": "-o", **predict_ahead.CERTAINTY_FLAGS}
    predict_ahead.refuse_others(flags, sources, "--prompt", others)
    temperature = 0.8 if flags.temperature is None else flags.temperature
    steps, seed = 200 if flags.steps is None else flags.steps, flags.seed or 0
    for name, value, least in (
        ("temperature", temperature, 0),
        ("top-k", flags.top_k, 1),
        ("steps", steps, 1),
        ("seed", seed, 0),
    ):
        if value is not None and not least <= value < 2**63:
            raise ConfigError(f"{value} is out of range", where=f"--{name}", fix=f"give at least {least}, below 2^63")

    if flags.top_p is not None and not 0 < flags.top_p <= 1:
        raise ConfigError(f"{flags.top_p} is out of range", where="--top-p", fix="give a number above 0, at most 1")

    with imports():
        from dltrain.inference.load import load

    model = load(run_folder, trust=flags.trust, device=flags.overrides.get("trainer.device", "auto"))
    if model.kind.answers_prompts:
        return answer_prompt(model, flags, options)
    if flags.beams is not None:
        model.task.with_beams(flags.beams)
    sampling: dict[str, Any] = {"temperature": temperature, "top_k": flags.top_k, "top_p": flags.top_p, "seed": seed}
    if not options.json:
        sampling["written"] = lambda part: print(part, end="", flush=True)
        print(flags.prompt, end="", flush=True)
    text, unknown = model.kind.continue_text(model, flags.prompt, steps, **sampling)
    if not options.json:
        print()
    if unknown and not options.quiet:
        tokens = ", ".join(map(repr, unknown[:MOST_REMARKS]))
        print(f"remark  not in the model's vocabulary: {tokens}", file=sys.stderr)
    if options.json:
        print(json.dumps({"prompt": flags.prompt, "text": text, "unknown": unknown}, ensure_ascii=False))
    return 0


def answer_prompt(model: LoadedModel, flags: Namespace, options: Options) -> int:
    """Prints the answer to a source.

    Raises:
        DltrainError: a flag is for language models alone, or out of range.
    """
    for name in ("steps", *PROMPT_FLAGS):
        if getattr(flags, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            what = f"{flag} is for language models, and this model writes the likeliest answer"
            raise ConfigError(what, where=flag, fix="leave it out")
    (row,) = model.predict([flags.prompt], beams=flags.beams).to_dict("records")
    if row["remarks"] and not options.quiet:
        print(f"remark  {row['remarks']}", file=sys.stderr)
    if options.json:
        names = ("predicted", "probability", "remarks")
        print(json.dumps({"prompt": flags.prompt} | {name: row[name] for name in names}, ensure_ascii=False))
    else:
        print(row["predicted"])
    return 0


def table_format(model: LoadedModel, overrides: dict[str, str]) -> TableFormat:
    """Returns how to read the text of a table: as the overrides say, otherwise like the run's own table."""
    from dltrain.data.table_format import TableFormat

    stored = model.config.node("data")
    keys = [field.name for field in fields(TableFormat)]
    settings = {name: overrides.get(f"data.{name}", stored.get(name)) for name in keys}
    if settings["header"] not in (None, "auto", "first", "none"):
        raise ConfigError(
            f"{settings['header']!r} is not auto, first or none", "data.header", override="data.header=none"
        )
    return TableFormat(**{name: value for name, value in settings.items() if isinstance(value, str | int)})  # type: ignore[arg-type]


def predicted(
    model: LoadedModel,
    opened: Input,
    tally: Tally,
    certainty: Certainty,
    keep: Sequence[str] = (),
    explanations: Explanations | None = None,
    *,
    progress: bool,
) -> Iterator[pd.DataFrame]:
    """Yields the predictions part by part, behind the columns of the input to keep, with a progress bar on a terminal.

    Raises:
        DataError: the input has no such column, or, at the end, nothing in it could be read.
    """
    from tqdm import tqdm

    from dltrain.inference.frames import prediction_frame, with_columns

    hidden = not (progress and sys.stderr.isatty())
    with tqdm(total=opened.total, unit=opened.unit, unit_scale=opened.unit == "B", disable=hidden) as bar:
        for raw in opened.parts:
            encoded, predictions = model.predict_part(raw)
            tally.add(encoded)
            if explanations is not None:
                explanations.write(encoded)
            bar.update(opened.passed() - bar.n)
            yield with_columns(prediction_frame(model.task, encoded, predictions, certainty), raw, keep)
    if tally.rows and tally.unreadable == tally.rows:
        reasons = "; ".join(cell for cells in tally.cells.values() for cell in cells)
        raise DataError(
            f"{verb(tally.rows, 'the sample cannot', f'none of the {tally.rows:,} samples can')} be read: {reasons}",
            fix="give other files",
        )


def report(tally: Tally, output: Path | None, stream: TextIO) -> None:
    """Prints how many samples were predicted, and the remarks."""
    print(f"predict {count(tally.rows, 'sample')}" + (f", written to {output}" if output else ""), file=stream)
    for sentence in tally.sentences[:MOST_REMARKS]:
        print(f"remark  {sentence}", file=stream)
    if len(tally.counts) > MOST_REMARKS:
        print(f"remark  and {len(tally.counts) - MOST_REMARKS} more kinds, in the column remarks", file=stream)
