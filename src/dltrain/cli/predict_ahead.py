"""`dltrain predict RUN --steps 12`, `--user 42`, `--everyone` or `--likes A,B`: forecasts and recommendations."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from dltrain.cli.commands import COMMANDS, Options
from dltrain.cli.imports import imports
from dltrain.data.nouns import count as spell_count
from dltrain.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from dltrain.inference.load import LoadedModel

CERTAINTY_FLAGS = {
    "interval": "--interval",
    "sets": "--sets",
    "threshold": "--threshold",
    "tta": "--tta",
    "explain": "--explain",
}
RATINGS_FLAGS = {"user": "--user", "everyone": "--everyone", "likes": "--likes", "top": "--top"}
TOP = 10  # items to recommend by default


def run(flags: Namespace, run_folder: str, history: Sequence[str], options: Options) -> int:
    """Forecasts from the end of the run's series or of another history, or recommends items to users.

    Raises:
        DltrainError: the run or the input cannot be used.
    """
    forms = {"--user": flags.user, "--everyone": flags.everyone, "--likes": flags.likes}
    chosen = ["--steps"] * (flags.steps is not None) + [name for name, given in forms.items() if given]
    refuse_others(flags, history[1:], chosen[0] if chosen else "--top", CERTAINTY_FLAGS)
    for name, value in (("--steps", flags.steps), ("--top", flags.top)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} must be at least 1, not {value}", where=name, fix="give a larger number")
    if len(chosen) > 1:
        raise ConfigError(f"{chosen[0]} and {chosen[1]} cannot be used together", fix="give one of them")
    if not chosen:
        raise ConfigError(
            "--top needs inputs to predict, or a user to recommend to", fix="give INPUT, --user, --everyone or --likes"
        )

    with imports():
        from dltrain.inference.load import load
        from dltrain.runs.tables import check_rows_path, open_rows, records

    output = None if flags.output in (None, "-") else Path(flags.output).expanduser()
    if output is not None:
        check_rows_path(output)
    model = load(run_folder, trust=flags.trust, device=flags.overrides.get("trainer.device", "auto"))
    frames, remarks = _predict_ahead(model, flags, history)
    if options.json and output is None:
        predictions = [record for frame in frames for record in records(frame)]
        print(json.dumps({"predictions": predictions, "remarks": remarks}, ensure_ascii=False))
        return 0
    count = 0
    with open_rows(output) as rows:
        for frame in frames:
            rows.write(frame)
            count += len(frame)
    if options.json:
        print(json.dumps({"output": str(output), "remarks": remarks}, ensure_ascii=False))
    elif not options.quiet:
        stream = sys.stderr if output is None else sys.stdout
        for remark in remarks:
            print(f"remark  {remark}", file=stream)
        if output is not None:
            print(f"predict {spell_count(count, 'row')}, written to {output}", file=stream)
    return 0


def refuse_others(flags: Namespace, named: Sequence[str], form: str, others: Mapping[str, str]) -> None:
    """Refuses arguments that belong to another form of the command.

    Args:
        flags: as parsed.
        named: positional arguments that this form does not take.
        form: the flag that chose this form.
        others: flags that this form does not take.

    Raises:
        ConfigError: one of them is given.
    """
    given = [*named, *(flag for name, flag in others.items() if getattr(flags, name) not in (None, [], False))]
    given += [key for key in flags.overrides if key != "trainer.device"]
    if given:
        raise ConfigError(f"{given[0]} cannot be used with {form}", where=given[0], fix=COMMANDS["predict"].usage)


def _predict_ahead(
    model: LoadedModel, flags: Namespace, history: Sequence[str]
) -> tuple[Iterable[pd.DataFrame], list[str]]:
    """Returns the forecast or the recommendations, part by part, and remarks about them."""
    import pandas as pd

    from dltrain.inference.inputs import open_input

    if flags.steps is not None:
        if not history:
            frame, remarks = model.kind.forecast(model, flags.steps)
            return [frame], remarks
        with closing(open_input(history[0], model.encoder)) as opened:
            frame, remarks = model.kind.forecast(model, flags.steps, pd.concat(list(opened.parts)))  # type: ignore[arg-type]
            return [frame], remarks
    if history:
        raise ConfigError(f"unexpected argument {history[0]}", where=history[0], fix=COMMANDS["predict"].usage)
    top = flags.top or TOP
    if flags.everyone:
        return model.kind.recommend_to_all(model, top), []
    if flags.likes:
        frame, remarks = model.kind.recommend_by_likes(model, flags.likes, top)
    else:
        frame, remarks = model.kind.recommend(model, flags.user, top)
    return [frame], remarks
