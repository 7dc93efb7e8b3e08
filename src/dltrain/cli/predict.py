"""`dltrain predict RUN INPUT [-o FILE]`: what a trained model says of new samples, from the run's folder alone."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dltrain.cli import predict_ahead
from dltrain.cli.commands import COMMANDS, Options
from dltrain.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from dltrain.data.streams import TableFormat
    from dltrain.inference.frames import Tally
    from dltrain.inference.inputs import Input
    from dltrain.inference.load import LoadedModel

SHOWN = 20  # oddities
OF_A_PROMPT = ("temperature", "top_k", "seed")  # flags


def run(arguments: Sequence[str], options: Options) -> int:
    """Predicts a table, pictures or standard input (`-`) part by part; what was odd is said on standard error.

    Raises:
        DltrainError: the run or the input cannot be used.
    """
    flags, (run_folder, *sources) = COMMANDS["predict"].read(arguments)
    if flags.prompt is not None:
        return continue_prompt(flags, run_folder, sources, options)
    if given := [name for name in OF_A_PROMPT if getattr(flags, name) is not None]:
        name = f"--{given[0].replace('_', '-')}"
        raise ConfigError(f"{name} is for a text that goes on", where=name, fix="give --prompt TEXT, or leave it out")
    if flags.steps is not None or flags.user or flags.top is not None:
        return predict_ahead.run(flags, run_folder, sources, options)
    if not sources:
        raise ConfigError("no INPUT is named", fix=COMMANDS["predict"].usage)
    (source,) = sources
    output = None if flags.output in (None, "-") else Path(flags.output).expanduser()

    from dltrain.inference.frames import Tally
    from dltrain.inference.inputs import open_input
    from dltrain.inference.load import load
    from dltrain.runs.folder import RunDir
    from dltrain.runs.tables import check_rows_path, open_rows, records

    if output is not None:
        check_rows_path(output)
        RunDir(Path(run_folder)).refuse_output(output)
        if Path(source).exists() and output.exists() and output.samefile(source):
            raise ConfigError(f"{output} is what is to be read", where="-o", fix="name another file")
    model = load(run_folder, trust=flags.trust, device=flags.overrides.get("trainer.device", "auto"))
    tally = Tally()
    kept: list[dict[str, Any]] = []
    with closing(open_input(source, model.encoder, table_format(model, flags.overrides))) as opened:
        frames = predicted(model, opened, tally, shown=not (options.quiet or options.json))
        if options.json and output is None:
            for frame in frames:
                kept += records(frame)
        else:
            with open_rows(output) as rows:
                for frame in frames:
                    rows.write(frame)
    if options.json:
        answer = {"rows": tally.rows, "with_remarks": tally.odd, "remarks": tally.counts}
        said = {"predictions": kept} if output is None else {"output": str(output)}
        print(json.dumps(answer | said, ensure_ascii=False))
    elif not options.quiet:
        report(tally, output, sys.stderr if output is None else sys.stdout)
    return 0


def continue_prompt(flags: Namespace, run_folder: str, sources: Sequence[str], options: Options) -> int:
    """Lets a model of the next token go on where a prompt ends.

    Raises:
        DltrainError: the run is of another kind, or a number is out of its range.
    """
    predict_ahead.refuse_others(flags, sources, "--prompt", {"user": "--user", "top": "--top", "output": "-o"})
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

    from dltrain.inference.load import load

    model = load(run_folder, trust=flags.trust, device=flags.overrides.get("trainer.device", "auto"))
    sampling = {"temperature": temperature, "top_k": flags.top_k, "seed": seed}
    text, unknown = model.kind.continue_text(model, flags.prompt, steps, **sampling)
    if unknown and not options.quiet:
        named = ", ".join(map(repr, unknown[:SHOWN]))
        print(f"remark  not in the model's vocabulary: {named}", file=sys.stderr)
    if options.json:
        print(json.dumps({"prompt": flags.prompt, "text": text, "unknown": unknown}, ensure_ascii=False))
    else:
        print(flags.prompt + text)
    return 0


def table_format(model: LoadedModel, overrides: dict[str, str]) -> TableFormat:
    """How the text of a table is to be read: as the run's own was, where nothing else is said."""
    from dltrain.data.streams import TableFormat

    stored = model.config.node("data")
    said = {name: overrides.get(f"data.{name}", stored.get(name)) for name in ("encoding", "delimiter", "header")}
    if said["header"] not in (None, "auto", "first", "none"):
        raise ConfigError(f"{said['header']!r} is not auto, first or none", "data.header", override="data.header=none")
    return TableFormat(**{name: value for name, value in said.items() if isinstance(value, str)})  # type: ignore[arg-type]


def predicted(model: LoadedModel, opened: Input, tally: Tally, *, shown: bool) -> Iterator[pd.DataFrame]:
    """The predictions part by part, with a bar on a terminal."""
    from tqdm import tqdm

    from dltrain.inference.frames import prediction_frame

    hidden = not (shown and sys.stderr.isatty())
    with tqdm(total=opened.total, unit=opened.unit, unit_scale=opened.unit == "B", disable=hidden) as bar:
        for encoded, predictions in model.predict_each(opened.parts):
            tally.add(encoded.remarks)
            bar.update(opened.passed() - bar.n)
            yield prediction_frame(model.task, encoded, predictions)


def report(tally: Tally, output: Path | None, stream: TextIO) -> None:
    """Says how much was predicted, and what was odd."""
    print(f"predict {tally.rows:,} samples" + (f", written to {output}" if output else ""), file=stream)
    for sentence in tally.sentences[:SHOWN]:
        print(f"remark  {sentence}", file=stream)
    if len(tally.counts) > SHOWN:
        print(f"remark  and {len(tally.counts) - SHOWN} more kinds, in the column remarks", file=stream)
