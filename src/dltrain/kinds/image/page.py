"""The parts of a run's page about images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dltrain.drawing.plot import Plot
from dltrain.drawing.section import listed, shown
from dltrain.drawing.wording import count
from dltrain.kinds.image.plots import draw_augmented, draw_explained, draw_samples
from dltrain.kinds.joined_columns import encoder_of_columns
from dltrain.kinds.page import KindPage
from dltrain.runs.reader import Run
from dltrain.types import Facts


class ImagePage(KindPage):
    """The page of images."""

    new: str = "image.jpg"
    labelled: str = "labelled/"

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self.columns = encoder_of_columns(facts)
        if self.columns is not None:
            self.new = self.labelled = "table_of_images.csv"

    def plots(self) -> Sequence[Plot]:
        shown = "What the augmentation shows the network"
        return (
            Plot("samples", "Images", "examples", draw_samples, shows_images=True),
            Plot("explained", "Where the model looks", "examples", draw_explained, shows_images=True),
            Plot("augmentation", shown, "data", draw_augmented, shows_images=True),
        )

    def describe_input(self) -> str:
        channels, height, width = self.facts.input_shape
        joined = (
            ""
            if self.columns is None
            else f", and the columns {listed(list(map(shown, self.columns.names)), 10, ', ')}"
        )
        return f"{width} × {height} pixels, {count(channels, 'channel')}{joined}"

    def describe_new(self) -> str:
        if self.columns is not None:
            return "Predict the images that a table with these columns names:"
        return "Predict an image, or every image of a folder:"

    def limits(self, run: Run) -> Iterator[str]:
        if self.facts.classes and not self.facts.outputs:
            names = listed(list(map(shown, self.facts.classes)), 10, ", ")
            yield f"It calls any image one of these {len(self.facts.classes)} classes, whatever it shows: {names}."
