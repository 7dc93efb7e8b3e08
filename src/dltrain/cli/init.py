"""`dltrain init data.csv`: writes a commented data config for a table, and prints the command that trains."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dltrain.cli.commands import COMMANDS, Options
from dltrain.config.options import config_dir, option_file
from dltrain.errors import ConfigError

if TYPE_CHECKING:
    from dltrain.kinds.table.first_look import Look


def run(arguments: Sequence[str], options: Options) -> int:
    """Writes configs/data/NAME.yaml in the working directory.

    Raises:
        DltrainError: the file is not a table with a target, or the config exists already.
    """
    flags, (source,) = COMMANDS["init"].read(arguments)
    if Path(source).expanduser().is_dir():
        command = shlex.join(["dltrain", "model=cnn", "data=images", f"data.path={source}"])
        raise ConfigError(f"{source} is a folder, which needs no config", fix=f"train: {command}")
    name = flags.name or re.sub(r"\W+", "_", Path(source).stem, flags=re.ASCII).strip("_").lower() or "mine"
    if not re.fullmatch(r"\w[\w-]*", name):
        raise ConfigError(f"{name} is not a name for a config", where="--name", fix="use only letters, digits, - and _")
    if (config_dir() / "data" / f"{name}.yaml").exists():
        name = f"my_{name}"
    path = Path("configs", "data", f"{name}.yaml")
    if path.exists():
        raise ConfigError(f"{path} exists already", where="--name", fix="delete it, or choose another: --name OTHER")

    from dltrain.data.table_files import read_table
    from dltrain.kinds.table.first_look import look_at
    from dltrain.storage import make_folder, write_text

    given = {key.removeprefix("data."): value for key, value in flags.overrides.items()}
    target = given.pop("target", None)
    frame, notes = read_table(source, **given)
    look = look_at(frame, target)
    make_folder(path.parent, parents=True)
    write_text(path, config_text(source, look, given, notes))
    command = f"dltrain model=mlp data={name}"
    if options.json:
        answer = {"config": str(path), "command": command, "target": look.target.name, "task": look.target.task}
        print(json.dumps(answer | {"columns": {c.name: c.role for c in look.columns}}, ensure_ascii=False))
    elif not options.quiet:
        for line in (*notes, *descriptions(look)):
            print(line)
        print(f"config  {path}")
        print(f"train   {command}")
    return 0


def config_text(source: str, look: Look, table_format: dict[str, str], notes: Sequence[str]) -> str:
    """Returns the config: comments say what was guessed and why, and every key of `data=csv` can be changed in it."""
    given = {"path": source, "target": look.target.name, **table_format}
    lines = [f"# {Path(source).name}: {look.target.name} from {len(look.columns)} other columns of {look.rows:,} rows."]
    lines += [f"# {chr(32).join(line.splitlines())}" for line in (*notes, *descriptions(look))]
    lines.append("# Correct wrong guesses below, in roles, such as {Pclass: categorical}, or in drop.")
    for line in option_file("data", "csv").read_text("utf-8").splitlines():
        key = line.partition(":")[0]
        if line.startswith("#"):
            continue
        if key in given:
            comment = line.partition("  #")[2]
            line = f"{key}: {_quoted(given[key])}" + (f"  #{comment}" if comment else "")
        lines.append(line)
    return "\n".join(lines) + "\n"


def descriptions(look: Look) -> list[str]:
    """Returns target, task and columns, one line each, with the reason for each guess."""
    target = look.target
    guess = f" (guessed: {look.why}; choose another with data.target=...)" if look.why else ""
    width = max(len(column.name) for column in look.columns)
    return [
        f"target  {target.name}{guess}",
        f"task    {target.task}, because {target.reason}",
        *(f"column  {column.name:<{width}}  {column.role:<11}  {column.reason}" for column in look.columns),
    ]


def _quoted(text: str) -> str:
    """Returns the text quoted for YAML, with `${` escaped so that nothing is interpolated."""
    return json.dumps(text, ensure_ascii=False).replace("${", "\\\\${")
