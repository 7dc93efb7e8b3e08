"""Writes a run as TensorBoard's event files, into its own folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from dltrain.errors import ConfigError, require
from dltrain.loggers.logger import LoggedRun, Logger

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"


class TensorBoard(Logger):
    """Scalars by epoch, the config as text, plots as images, and the changed keys with the results as hparams."""

    def __init__(self) -> None:
        require("tensorboard", "tensorboard", "logger=tensorboard needs", ConfigError, where="logger")
        self.writer: SummaryWriter | None = None
        self.run: LoggedRun | None = None

    def begin(self, run: LoggedRun) -> str:
        from torch.utils.tensorboard import SummaryWriter

        if self.writer is not None:
            self.writer.close()
        folder = run.folder / FOLDER
        # What an earlier process logged of later epochs is not shown.
        self.writer = SummaryWriter(str(folder), purge_step=run.epoch + 1 if folder.exists() else None)
        self.run = run
        if not run.epoch:
            text = yaml.safe_dump(dict(run.config), allow_unicode=True, sort_keys=False)
            self.writer.add_text("config", "".join(f"    {line}\n" for line in text.splitlines()), 0)
        return f"tensorboard --logdir {folder.parent}"

    def log(self, row: Mapping[str, float]) -> None:
        assert self.writer is not None
        for name, value in row.items():
            if name != "epoch":
                self.writer.add_scalar(name, value, int(row["epoch"]))
        self.writer.flush()

    def finish(self, result: Mapping[str, float], plots: Mapping[str, Path]) -> None:
        import numpy as np
        from PIL import Image
        from torch.utils.tensorboard.summary import hparams

        assert self.writer is not None and self.run is not None
        metrics = {f"result/{name}": value for name, value in result.items()}
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, 0)
        for summary in hparams({key: _plain(value) for key, value in self.run.changes.items()}, metrics):
            self.writer._get_file_writer().add_summary(summary)
        for name, path in plots.items():
            with Image.open(path) as image:
                self.writer.add_image(f"plots/{name}", np.asarray(image.convert("RGB")), 0, dataformats="HWC")

    def close(self, state: str) -> None:
        if self.writer is not None:
            self.writer.add_text("state", state, 0)
            self.writer.close()
        self.writer = None


def _plain(text: str) -> float | str:
    """Returns the number that a value spells, so that TensorBoard can draw it on an axis, or else the text."""
    try:
        return float(text)
    except ValueError:
        return text
