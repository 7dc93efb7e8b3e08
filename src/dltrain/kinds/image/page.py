"""The parts of a run's page about images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from dltrain.drawing.plot import Plot
from dltrain.drawing.section import listed, shown
from dltrain.drawing.wording import count
from dltrain.kinds.image.plots import draw_samples
from dltrain.kinds.page import KindPage
from dltrain.runs.reader import Run


class ImagePage(KindPage):
    """The page of images."""

    new: ClassVar[str] = "image.jpg"
    labelled: ClassVar[str] = "labelled/"

    def plots(self) -> Sequence[Plot]:
        return (Plot("samples", "Images", "examples", draw_samples, shows_images=True),)

    def describe_input(self) -> str:
        channels, height, width = self.facts.input_shape
        return f"{width} × {height} pixels, {count(channels, 'channel')}"

    def describe_new(self) -> str:
        return "Predict an image, or every image of a folder:"

    def limits(self, run: Run) -> Iterator[str]:
        if self.facts.classes:
            names = listed(list(map(shown, self.facts.classes)), 10, ", ")
            yield f"It calls any image one of these {len(self.facts.classes)} classes, whatever it shows: {names}."
