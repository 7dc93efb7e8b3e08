"""`dltrain --help`, and the examples that `dltrain` alone prints."""

from __future__ import annotations

from collections.abc import Sequence

import dltrain
from dltrain.cli.commands import COMMANDS
from dltrain.config.options import groups, options

EXAMPLES = (
    ("dltrain model=mlp data=cubic", "fit y = x³"),
    ("dltrain model=cnn data=animals", "classify pictures of animals"),
    ("dltrain model=mlp data=csv data.path=table.csv data.target=price", "learn a column of a table"),
    ("dltrain model=cnn data=images data.path=photos trainer.epochs=20", "a folder of pictures, a folder a class"),
    ("dltrain -m model=mlp data=cubic optimizer.lr=0.1,0.01 seed=1,2,3", "train every combination"),
)

KEYS = (
    ("data.path", "the file or folder to learn from"),
    ("data.target", "the column to predict"),
    ("trainer.epochs", "passes over the training data"),
    ("trainer.batch_size", "samples a step, or full"),
    ("trainer.device", "auto, cpu, cuda, cuda:1, mps"),
    ("trainer.patience", "epochs without improvement before it stops"),
    ("trainer.keep", "the weights of the best epoch or of the last"),
    ("trainer.balance", "resample, to see rare classes as often as others"),
    ("loss.class_weights", "balanced, to let rare classes weigh more (loss=cross_entropy)"),
    ("optimizer.lr", "learning rate"),
    ("optimizer.weight_decay", "pull of the weights towards zero"),
    ("model.hidden", "widths of an mlp, such as [256,128]"),
    ("seed", "another one, another run"),
    ("hydra.run.dir", "where the run's folder is made"),
    ("debug=smoke", "two batches of everything, to see that it works"),
)


def write_help(arguments: Sequence[str]) -> int:
    """Prints the version, the whole help, or without arguments the examples."""
    if "--version" in arguments:
        print(f"dltrain {dltrain.__version__}")
    elif arguments:
        print(help_text())
    else:
        print("Turns a data set into a trained, measured and explained model. Try:\n")
        print(_table(EXAMPLES))
        print("\nEverything else: dltrain --help")
    return 0


def help_text() -> str:
    """What can be called, picked and changed."""
    picks = [(group, " ".join(options(group))) for group in groups()]
    flags = (
        ("-m", "train every combination of keys with several values, k=1,2,3"),
        ("--cfg job", "print the composed config and stop"),
        ("--quiet, --json", "say nothing; end with the result as JSON"),
        ("--debug", "show tracebacks"),
        ("-sc install=bash", 'complete on Tab: eval "$(dltrain -sc install=bash)"'),
    )
    sections = (
        ("usage: dltrain [command] [group=choice] [key=value]", ()),
        ("commands", tuple(COMMANDS.items())),
        ("pick with group=choice (dltrain list GROUP says what they are)", picks),
        ("change with key=value (all keys: dltrain model=... data=... --cfg job)", KEYS),
        ("flags", flags),
        ("examples", EXAMPLES),
    )
    return "\n\n".join(f"{title}\n{_table(rows)}" if rows else title for title, rows in sections)


def _table(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(first) for first, _ in rows)
    return "\n".join(f"  {first:<{width}}  {second}" for first, second in rows)
