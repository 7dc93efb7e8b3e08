"""`dltrain predict RUN --steps 12` and `dltrain predict RUN --user 42 --top 10`: forecasts and recommendations."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from dltrain.cli.commands import COMMANDS, Options
from dltrain.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from dltrain.inference.load import LoadedModel

CERTAINTY_FLAGS = {"interval": "--interval", "sets": "--sets", "threshold": "--threshold", "tta": "--tta"}
TOP = 10  # items to recommend by default


def run(flags: Namespace, run_folder: str, history: Sequence[str], options: Options) -> int:
    """Forecasts from the end of the run's series or of another history, or recommends items to users.

    Raises:
        DltrainError: the run or the input cannot be used.
    """
    refuse_others(flags, history[1:], "--steps" if flags.steps is not None else "--user", CERTAINTY_FLAGS)
    for name, value in (("--steps", flags.steps), ("--top", flags.top)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} must be at least 1, not {value}", where=name, fix="give a larger number")
    if flags.user and flags.steps is not None:
        raise ConfigError("--steps forecasts a series and --user recommends items", fix="give one of them")
    if not flags.user and flags.steps is None:
        raise ConfigError("--top needs a user to recommend to", fix="give --user")

    from dltrain.inference.load import load
    from dltrain.runs.tables import check_rows_path, open_rows, records

    output = None if flags.output in (None, "-") else Path(flags.output).expanduser()
    if output is not None:
        check_rows_path(output)
    model = load(run_folder, trust=flags.trust, device=flags.overrides.get("trainer.device", "auto"))
    frame, remarks = _predict_ahead(model, flags, history)
    if options.json and output is None:
        print(json.dumps({"predictions": records(frame), "remarks": remarks}, ensure_ascii=False))
        return 0
    with open_rows(output) as rows:
        rows.write(frame)
    if options.json:
        print(json.dumps({"output": str(output), "remarks": remarks}, ensure_ascii=False))
    elif not options.quiet:
        stream = sys.stderr if output is None else sys.stdout
        for remark in remarks:
            print(f"remark  {remark}", file=stream)
        if output is not None:
            print(f"predict {len(frame):,} rows, written to {output}", file=stream)
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


def _predict_ahead(model: LoadedModel, flags: Namespace, history: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Returns the forecast or the recommendations, and remarks about them."""
    import pandas as pd

    from dltrain.inference.inputs import open_input

    if flags.steps is not None:
        if not history:
            return model.kind.forecast(model, flags.steps)
        with closing(open_input(history[0], model.encoder)) as opened:
            return model.kind.forecast(model, flags.steps, pd.concat(list(opened.parts)))  # type: ignore[arg-type]
    if history:
        raise ConfigError(f"unexpected argument {history[0]}", where=history[0], fix=COMMANDS["predict"].usage)
    return model.kind.recommend(model, flags.user, flags.top or TOP)
