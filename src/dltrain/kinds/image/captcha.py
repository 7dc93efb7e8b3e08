"""Captchas that are drawn here: a string of four characters in each image, which the name of its file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from dltrain.data.folds import FoldOption, FoldsOption
from dltrain.data.samples.captcha import draw_captchas, names_of_captchas
from dltrain.data.splits import Fraction
from dltrain.errors import StorageError
from dltrain.kinds.image.file_names import from_names
from dltrain.kinds.image.label_rows import LabelColumns
from dltrain.kinds.image.load import load_labelled
from dltrain.kinds.image.settings import Settings, Side
from dltrain.kinds.labels import TASKS
from dltrain.types import Data, Range

PART = "part1"  # of a file's name, the string


def captcha(
    *,
    root: str = "data/captcha",
    rows: Annotated[int, Range(100, 99_999)] = 5000,
    size: Side | None = None,
    val_fraction: Fraction = 0.1,
    test_fraction: Fraction = 0.2,
    folds: FoldsOption = None,
    fold: FoldOption = None,
    seed: Annotated[int, Range(0)] = 0,
) -> Data:
    """Returns captchas of four characters, which are drawn into a folder if they are not there.

    Args:
        root: the folder, which holds one for each seed.
        rows: number of images.
        size: width and height that images are brought to, in pixels; none for their own, 100×40.
        val_fraction: share of the validation split.
        test_fraction: share of the test split.
        folds: the number of folds of all images that are not for testing; None for none.
        fold: the fold that alone is the validation split, counted from 0; None for a model of each fold.
        seed: of what is drawn, and of the split.

    Raises:
        StorageError: the images cannot be written.
    """
    folder = Path(root) / f"seed{seed}"
    names = set(names_of_captchas(rows, seed))
    present = {path.name for path in folder.glob("*.png")} if folder.is_dir() else set()
    notes = []
    if missing := len(names - present):
        try:
            draw_captchas(folder, rows, seed)
        except OSError as error:
            raise StorageError(f"cannot write images into {folder}: {error.strerror}", where="data.root") from error
        notes = [f"drew {missing:,} captchas of four characters into {folder}"]
    labelled = from_names(folder, LabelColumns(target=PART), TASKS["string"])
    labelled = labelled.take([row for row, file in enumerate(labelled.files) if file.name in names])
    settings = Settings(size, None, 1, False, "error", val_fraction, test_fraction, seed, folds=folds, fold=fold)
    return load_labelled(labelled, settings, notes)
