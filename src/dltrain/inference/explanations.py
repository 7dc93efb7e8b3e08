"""Writes where a loaded model looks in new samples, a file each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from dltrain.errors import ConfigError
from dltrain.types import Encoded

if TYPE_CHECKING:
    from dltrain.inference.load import LoadedModel


class Explanations:
    """Writes a PNG for each new sample: the sample, and beside it where the model looks in it.

    Args:
        model: a loaded model.
        folder: that the files are written into; it is made when the first is written.

    Raises:
        ConfigError: the folder is inside the run's, or is a file, or the model's inputs have no places.
    """

    def __init__(self, model: LoadedModel, folder: Path) -> None:
        model.run.refuse_output(folder / "explanation.png")
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder} is a file", where="--explain", fix="name a folder")
        if not model.kind.has_places:
            what = f"--explain is for images, and the run's data is {model.facts.kind} data"
            raise ConfigError(what, where="--explain", fix="leave it out")
        self.model, self.folder, self.count = model, folder, 0
        self.taken: set[str] = set()

    def write(self, encoded: Encoded) -> None:
        """Writes the explanations of encoded samples, but of those that cannot be read.

        Raises:
            StorageError: a file cannot be written.
        """
        model = self.model
        rows = [row for row in range(len(encoded.ids)) if row not in encoded.unreadable]
        if not rows:
            return
        inputs = tuple(tensor[torch.tensor(rows)] for tensor in encoded.inputs)
        places = model.kind.attribute(model.module, model.task, model.facts, inputs)
        assert places is not None
        for at, row in enumerate(rows):
            model.kind.write_places(self._path(encoded.ids[row]), inputs[0][at], places[at])
            self.count += 1

    def _path(self, sample: str) -> Path:
        """Returns the file for a sample, named after it; a number tells samples of one name apart."""
        path = Path(sample)
        stem = "_".join(part for part in path.with_suffix("").parts if part not in (path.anchor, "..", ".")) or "image"
        name, number = stem, 2
        while name in self.taken:
            name, number = f"{stem}_{number}", number + 1
        self.taken.add(name)
        return self.folder / f"{name}.png"
