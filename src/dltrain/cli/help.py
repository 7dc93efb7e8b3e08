"""`dltrain --help`, the page of each command, and the examples that `dltrain` alone prints."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import dltrain
from dltrain.cli.arguments import table
from dltrain.cli.commands import COMMANDS, KEYS, Options
from dltrain.config.options import groups, options

EXAMPLES = (
    ("dltrain model=mlp data=cubic", "fit y = x³"),
    ("dltrain model=cnn data=animals", "classify images of animals"),
    ("dltrain model=mlp data=csv data.path=table.csv data.target=price", "predict a column of a table"),
    (
        "dltrain model=cnn data=images data.path=photos trainer.epochs=20",
        "classify images, one folder per class",
    ),
    ("dltrain -m model=mlp data=cubic optimizer.lr=0.1,0.01 seed=1,2,3", "train one model for every combination"),
)
FIRST_GROUPS = ("model", "data")  # groups whose options are listed on the general page
MOST_NEEDED = (
    *("data.path", "data.target", "trainer.epochs", "trainer.batch_size", "trainer.device", "optimizer.lr"),
    *("seed", "hydra.run.dir"),
)
WIDTH = 100


def run(arguments: Sequence[str], options_: Options) -> int:
    """Prints the page of a command, or the general page.

    Raises:
        ConfigError: the command does not exist.
    """
    _, named = COMMANDS["help"].read(arguments)
    print(help_of(named[0]) if named else help_text())
    return 0


def write_help(arguments: Sequence[str]) -> int:
    """Prints the version, the page of a command or the general page; without arguments, examples."""
    named = [argument for argument in arguments[:2] if argument in COMMANDS]
    if "--version" in arguments:
        print(f"dltrain {dltrain.__version__}")
    elif named:
        print(help_of(named[0]))
    elif arguments:
        print(help_text())
    else:
        print("Turns a data set into a trained, measured and explained model. Try:\n")
        print(table(EXAMPLES))
        print("\nEverything else: dltrain --help")
    return 0


def help_of(name: str) -> str:
    """Returns the page of a command.

    Raises:
        ConfigError: the command does not exist.
    """
    from dltrain.config.validation import nearest
    from dltrain.errors import ConfigError

    if name not in COMMANDS:
        near = nearest(name, list(COMMANDS))
        fix = f"did you mean {near}?" if near else f"choose from {', '.join(COMMANDS)}"
        raise ConfigError(f"no such command: {name}", where=name, fix=fix, override=near, replaces=name)
    return COMMANDS[name].help_text()


def help_text() -> str:
    """Returns the general page: commands, options and keys, on one screen."""
    others = [group for group in groups() if group not in FIRST_GROUPS]
    picks = [(group, " ".join(options(group))) for group in FIRST_GROUPS]
    commands = [(name, command.line) for name, command in COMMANDS.items()]
    keys = [(key, KEYS[key]) for key in MOST_NEEDED]
    sections = (
        ("commands (dltrain COMMAND --help explains each)", commands),
        ("choose with group=choice (dltrain list GROUP explains each)", [*picks, ("also", " ".join(others))]),
        ("change with key=value (dltrain help train lists more; --cfg job prints all)", keys),
    )
    parts = ["usage: dltrain [command] [group=choice ...] [key=value ...]"]
    parts += [f"{title}\n{table(rows)}" for title, rows in sections]
    parts.append(
        textwrap.fill(
            "flags: -m sweeps over combinations of values; --cfg job prints the config; --quiet, --json, --debug",
            WIDTH,
            subsequent_indent="  ",
        )
    )
    return "\n\n".join(parts)
