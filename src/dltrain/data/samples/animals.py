"""Draws the sample images: eight animals in many poses, which differ in their shapes alone.

All classes share one palette, the same backgrounds and the same light, so a model cannot go by colour or position.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from dltrain.data.samples.backgrounds import INK, WHITE, Colour, mix, paint_background, photograph, pick, plant_leaves
from dltrain.data.samples.on_demand import writing

SUPERSAMPLING = 4  # shapes are drawn this many times larger, because Pillow's own edges are jagged
Points = Sequence[tuple[float, float]] | np.ndarray
ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
CIRCLE = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)  # (24, 2)


@dataclass(frozen=True)
class Coat:
    """The colours of an animal: its body, the parts in shadow, the pale parts, and a second colour for patterns."""

    body: Colour
    dark: Colour
    pale: Colour
    accent: Colour


class Pen:
    """Draws an animal in coordinates of its own, with random variation.

    An animal fills the square from (-1, -1) to (1, 1), with y pointing down, and looks to the right.

    Args:
        side: width and height of the sheet, in pixels.
        frame: `(2, 3)` affine map from the animal's coordinates to pixels, which turns, mirrors and places it.
        coat: the colours to draw with.
        rng: of the variation.
    """

    def __init__(self, side: int, frame: np.ndarray, coat: Coat, rng: np.random.Generator) -> None:
        self.sheet = Image.new("RGBA", (side, side))
        self.coat = coat
        self._draw = ImageDraw.Draw(self.sheet)
        self._frame = frame
        self._rng = rng

    def vary(self, low: float, high: float) -> float:
        """Returns a random number from `low` to `high`."""
        return float(self._rng.uniform(low, high))

    def polygon(self, points: Points, colour: Colour) -> None:
        """Fills the polygon with these corners."""
        pixels = np.asarray(points) @ self._frame[:, :2].T + self._frame[:, 2]
        self._draw.polygon(pixels.ravel().tolist(), fill=colour)

    def ellipse(self, x: float, y: float, width: float, height: float, colour: Colour, turn: float = 0.0) -> None:
        """Fills an ellipse around (x, y), given its half axes and a turn in radians, clockwise."""
        self.polygon(CIRCLE * (width, height) @ _rotation(turn).T + (x, y), colour)

    def limb(self, path: Points, start: float, end: float, colour: Colour) -> None:
        """Draws a rounded limb along a path; its half width goes from `start` to `end`."""
        for (x, y), radius in zip(path, np.linspace(start, end, len(path)), strict=True):
            self.ellipse(x, y, radius, radius, colour)

    def eye(self, x: float, y: float, radius: float) -> None:
        """Draws a round eye with a glint."""
        self.ellipse(x, y, radius * 1.35, radius * 1.35, WHITE)
        self.ellipse(x + 0.2 * radius, y, radius, radius, INK)
        self.ellipse(x + 0.45 * radius, y - 0.4 * radius, radius * 0.4, radius * 0.4, WHITE)


def bend(*points: tuple[float, float], count: int = 56) -> np.ndarray:
    """Returns points `(count, 2)` of the Bezier curve with these control points, by De Casteljau's algorithm."""
    time = np.linspace(0, 1, count)[:, None]
    layer = [np.broadcast_to(np.asarray(control), (count, 2)) for control in points]
    while len(layer) > 1:
        layer = [(1 - time) * start + time * end for start, end in pairwise(layer)]
    return layer[0]


def legs(pen: Pen, hips: Sequence[float], top: float, ground: float, thick: float, thin: float) -> None:
    """Draws four legs in mid-stride from their `hips`: the far hind and fore leg, then the near ones."""
    step, dark, body = pen.vary(-0.1, 0.1), pen.coat.dark, pen.coat.body
    for hip, stride, colour in zip(hips, (-step, step, step, -step), (dark, dark, body, body), strict=True):
        pen.limb(bend((hip, top), (hip + stride, ground)), thick, thin, colour)


def cat(pen: Pen) -> None:
    """Draws a sitting cat with pointed ears, whiskers and a tail that curls up."""
    coat, tail, ear = pen.coat, pen.vary(-0.25, 0.25), pen.vary(-0.06, 0.06)
    pen.limb(bend((-0.3, 0.8), (-1.0, 0.9), (-0.95 - tail, 0.1), (-0.55 + tail, -0.15)), 0.1, 0.08, coat.dark)
    pen.ellipse(-0.08, 0.45, 0.42, 0.5, coat.body)
    pen.ellipse(0.16, 0.26, 0.19, 0.3, coat.pale)
    for foot, colour in ((0.28, coat.dark), (0.06, coat.body)):
        pen.limb(bend((foot, 0.5), (foot + 0.04, 0.86)), 0.11, 0.11, colour)
    for side in (-1, 1):
        tip = (0.12 + side * (0.36 + ear), -0.92)
        pen.polygon([(0.12 + side * 0.42, -0.35), tip, (0.12 + side * 0.04, -0.62)], coat.body)
        pen.polygon([(0.12 + side * 0.35, -0.45), (tip[0] - side * 0.02, -0.8), (0.12 + side * 0.14, -0.6)], coat.dark)
    pen.ellipse(0.12, -0.3, 0.45, 0.38, coat.body)
    for stripe in (-0.12, 0.0, 0.12):
        pen.limb(bend((0.12 + stripe, -0.66), (0.12 + stripe, -0.5)), 0.04, 0.02, coat.dark)
    pen.ellipse(0.14, -0.14, 0.18, 0.13, coat.pale)
    pen.eye(-0.06, -0.33, 0.085)
    pen.eye(0.3, -0.33, 0.085)
    pen.polygon([(0.08, -0.21), (0.2, -0.21), (0.14, -0.12)], INK)
    for side in (-1, 1):
        for droop in (-0.08, 0.06):
            pen.limb(bend((0.14 + side * 0.26, -0.14), (0.14 + side * 0.56, -0.14 + droop)), 0.02, 0.015, coat.dark)


def elephant(pen: Pen) -> None:
    """Draws a standing elephant with a wide ear, a tusk and a trunk that hangs or is raised."""
    coat, lift = pen.coat, pen.vary(-0.5, 0.5)
    pen.limb(bend((-0.75, -0.1), (-0.98, 0.1), (-0.92, 0.4)), 0.04, 0.05, coat.dark)
    legs(pen, (-0.3, 0.3, -0.58, 0.06), top=0.2, ground=0.8, thick=0.17, thin=0.16)
    pen.ellipse(-0.24, 0.02, 0.6, 0.46, coat.body)
    pen.limb(bend((0.6, -0.12), (0.9, 0.0), (0.8, 0.5 - lift), (0.98, 0.42 - 1.1 * lift)), 0.19, 0.075, coat.body)
    pen.limb(bend((0.6, 0.1), (0.72, 0.26), (0.84, 0.22)), 0.055, 0.02, WHITE)
    pen.ellipse(0.46, -0.22, 0.34, 0.33, coat.body)
    flap = pen.vary(-0.2, 0.3)
    pen.ellipse(0.14, -0.18, 0.33, 0.4, coat.dark, turn=flap)
    pen.ellipse(0.17, -0.2, 0.22, 0.29, mix(coat.dark, coat.pale, 0.45), turn=flap)
    pen.eye(0.56, -0.28, 0.07)


def fish(pen: Pen) -> None:
    """Draws a swimming fish with fins, a forked tail and bands."""
    coat, flap = pen.coat, pen.vary(-0.18, 0.18)
    pen.polygon(bend((-0.4, 0.0), (-0.8, -0.75), (-1.1, -0.45 + flap), (-0.8, flap)), coat.accent)
    pen.polygon(bend((-0.4, 0.0), (-0.8, 0.75), (-1.1, 0.45 + flap), (-0.8, flap)), coat.accent)
    pen.polygon(bend((-0.3, -0.25), (-0.6, -1.0), (0.3, -0.8), (0.42, -0.3)), coat.accent)
    pen.polygon(bend((0.2, 0.3), (-0.1, 0.7), (-0.5, 0.8), (-0.2, 0.25)), coat.accent)
    pen.ellipse(0.1, 0.0, 0.68, 0.44, coat.body)
    pen.ellipse(0.12, 0.16, 0.52, 0.24, coat.pale)
    for x, height in ((-0.28, 0.32), (0.02, 0.38)):
        pen.limb(bend((x, -height), (x + 0.16, 0.0), (x, height)), 0.05, 0.05, coat.dark)
    pen.ellipse(0.12, 0.1, 0.17, 0.09, coat.accent, turn=pen.vary(2.2, 2.9))
    pen.eye(0.48, -0.1, 0.1)
    pen.limb(bend((0.74, 0.1), (0.66, 0.18), (0.6, 0.16)), 0.025, 0.025, INK)


def giraffe(pen: Pen) -> None:
    """Draws a giraffe on long legs, with a long neck, horns and patches."""
    coat, lean = pen.coat, pen.vary(-0.12, 0.22)
    head = (0.36 + lean, -0.74)
    pen.limb(bend((-0.6, 0.12), (-0.8, 0.25), (-0.72, 0.5)), 0.03, 0.05, coat.dark)
    legs(pen, (-0.36, 0.12, -0.5, 0.0), top=0.25, ground=0.95, thick=0.09, thin=0.065)
    pen.ellipse(-0.2, 0.2, 0.44, 0.25, coat.body)
    neck = bend((0.08, 0.15), (0.2 + lean / 4, -0.2), head)
    pen.limb(neck, 0.17, 0.1, coat.body)
    for horn in (-0.08, 0.04):
        pen.limb(bend((head[0] + horn, head[1]), (head[0] + horn - 0.04, head[1] - 0.22)), 0.03, 0.045, coat.dark)
    pen.ellipse(head[0] - 0.16, head[1] - 0.02, 0.12, 0.05, coat.body, turn=0.4)
    pen.ellipse(head[0] + 0.12, head[1] + 0.04, 0.25, 0.13, coat.body, turn=0.3)
    pen.ellipse(head[0] + 0.28, head[1] + 0.1, 0.09, 0.09, coat.pale)
    for x, y in (*neck[6:48:12], (-0.45, 0.14), (-0.22, 0.08), (-0.3, 0.32), (-0.03, 0.3)):
        pen.ellipse(x, y, 0.085, 0.07, coat.dark, turn=pen.vary(0, 3))
    pen.eye(head[0] + 0.06, head[1] - 0.02, 0.055)


def owl(pen: Pen) -> None:
    """Draws an owl on a branch, seen from the front, with large eyes, tufts and folded wings."""
    coat, spread, tilt = pen.coat, pen.vary(0.0, 0.3), pen.vary(-0.08, 0.08)
    pen.limb(bend((-0.9, 0.86), (0.0, 1.0), (0.9, 0.88)), 0.08, 0.05, coat.dark)
    for side in (-1, 1):
        pen.ellipse(side * 0.2, 0.84, 0.15, 0.09, coat.accent)
    pen.ellipse(0.0, 0.18, 0.5, 0.66, coat.body)
    pen.ellipse(0.0, 0.4, 0.33, 0.4, coat.pale)
    for row, columns in ((0.3, (-0.16, 0.0, 0.16)), (0.46, (-0.08, 0.08)), (0.62, (0.0,))):
        for x in columns:
            pen.ellipse(x, row, 0.05, 0.06, coat.dark)
    for side in (-1, 1):
        pen.ellipse(side * (0.48 + spread / 3), 0.26, 0.16, 0.44, coat.dark, turn=-side * spread)
        pen.polygon([(side * 0.47 + tilt, -0.4), (side * 0.56 + tilt, -0.94), (side * 0.1 + tilt, -0.68)], coat.body)
    pen.ellipse(tilt, -0.34, 0.52, 0.42, coat.body)
    for side in (-1, 1):
        pen.ellipse(side * 0.23 + tilt, -0.34, 0.25, 0.26, coat.pale)
        pen.eye(side * 0.21 + tilt, -0.34, 0.13)
    pen.polygon([(tilt - 0.08, -0.24), (tilt + 0.08, -0.24), (tilt, -0.04)], coat.accent)


def rabbit(pen: Pen) -> None:
    """Draws a crouching rabbit with two long ears and a round white tail."""
    coat = pen.coat
    pen.ellipse(-0.68, 0.46, 0.17, 0.17, WHITE)
    pen.ellipse(-0.16, 0.42, 0.5, 0.42, coat.body, turn=-0.15)
    pen.limb(bend((0.2, 0.5), (0.3, 0.82)), 0.11, 0.09, coat.dark)
    for root, angle, colour in ((0.16, pen.vary(-0.75, -0.35), coat.dark), (0.3, pen.vary(-0.25, 0.15), coat.body)):
        middle = (root + 0.36 * np.sin(angle), -0.2 - 0.42 * np.cos(angle))
        pen.ellipse(*middle, 0.12, 0.4, colour, turn=angle)
        pen.ellipse(*middle, 0.06, 0.3, coat.pale, turn=angle)
    pen.ellipse(0.34, -0.02, 0.34, 0.3, coat.body)
    pen.ellipse(0.5, 0.1, 0.17, 0.13, coat.pale)
    pen.eye(0.4, -0.08, 0.085)
    pen.ellipse(0.64, 0.04, 0.05, 0.04, INK)
    pen.ellipse(-0.26, 0.52, 0.28, 0.26, coat.dark)
    pen.ellipse(-0.28, 0.5, 0.26, 0.25, coat.body)
    pen.limb(bend((-0.3, 0.8), (0.02, 0.82)), 0.09, 0.08, coat.body)


def snake(pen: Pen) -> None:
    """Draws a winding snake with bands, a pointed tail and a forked tongue."""
    coat, swing, phase = pen.coat, pen.vary(0.26, 0.46), pen.vary(0, 2 * np.pi)
    x = np.linspace(-0.95, 0.6, 90)
    y = swing * np.sin(5.6 * x + phase) * np.linspace(0.5, 1.0, len(x))
    radii = 0.17 * np.clip(np.linspace(0.1, 2.2, len(x)), 0, 1)
    for number, (across, down, radius) in enumerate(zip(x, y, radii, strict=True)):
        pen.ellipse(across, down, radius, radius, coat.accent if number % 15 > 9 else coat.body)
    nose, chin = x[-1] + 0.06, y[-1]
    for fork in (-0.07, 0.07):
        pen.limb(bend((nose, chin), (nose + 0.24, chin), (nose + 0.34, chin + fork)), 0.025, 0.025, coat.accent)
    pen.ellipse(nose, chin, 0.24, 0.18, coat.body)
    pen.eye(nose + 0.04, chin - 0.06, 0.075)


def turtle(pen: Pen) -> None:
    """Draws a walking turtle with a domed shell of plates, short legs and a raised head."""
    coat, reach = pen.coat, pen.vary(-0.25, 0.1)
    pen.polygon([(-0.6, 0.25), (-0.95, 0.42), (-0.6, 0.42)], coat.body)
    legs(pen, (-0.3, 0.2, -0.48, 0.36), top=0.35, ground=0.65, thick=0.13, thin=0.12)
    pen.limb(bend((0.4, 0.28), (0.66, 0.3), (0.74, 0.05 + reach)), 0.13, 0.11, coat.body)
    pen.ellipse(0.78, 0.0 + reach, 0.2, 0.16, coat.body)
    pen.eye(0.84, -0.04 + reach, 0.06)
    dome = [(-0.12 + 0.62 * np.cos(angle), 0.36 - 0.84 * np.sin(angle)) for angle in np.linspace(0, np.pi, 24)]
    pen.polygon(dome, coat.accent)
    for x, y, size in ((-0.12, -0.12, 0.2), (-0.46, 0.14, 0.13), (0.22, 0.14, 0.13), (-0.12, 0.24, 0.1)):
        pen.polygon(CIRCLE[::4] * size + (x, y), mix(coat.accent, INK, 0.35))
    pen.limb(bend((-0.72, 0.36), (0.48, 0.36)), 0.08, 0.08, coat.pale)


ANIMALS: dict[str, Callable[[Pen], None]] = {
    animal.__name__: animal for animal in (cat, elephant, fish, giraffe, owl, rabbit, snake, turtle)
}


def draw_animals(folder: Path, *, per_class: int = 60, size: int = 64, seed: int = 0) -> None:
    """Draws images of every animal into a new folder, which appears when it is complete or not at all.

    The same arguments give the same pixels. A folder that is not empty stays as it is.

    Args:
        folder: of the files `<animal>/<animal>_000.png` and so on.
        per_class: number of images of each animal.
        size: width and height of an image, in pixels.
        seed: of everything that varies.

    Raises:
        OSError: the folder cannot be written.
    """
    if _is_filled(folder):
        return
    draft = folder.with_name(f".{folder.name}-{uuid4().hex}")
    with writing(folder):
        try:
            for index, (name, animal) in enumerate(ANIMALS.items()):
                (draft / name).mkdir(parents=True)
                for number in range(per_class):
                    rng = np.random.default_rng((seed, index, number))
                    draw_image(animal, size, rng).save(draft / name / f"{name}_{number:03d}.png")
            try:
                draft.rename(folder)
            except OSError:
                if not _is_filled(folder):  # else another process was faster
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def draw_image(animal: Callable[[Pen], None], size: int, rng: np.random.Generator) -> Image.Image:
    """Returns an RGB image of an animal in a random pose and place, `size` pixels wide and high."""
    side = SUPERSAMPLING * size
    body = pick(rng)
    coat = Coat(body, mix(body, INK, 0.35), mix(body, WHITE, 0.6), pick(rng, body))
    pen = Pen(side, _random_frame(side, rng), coat, rng)
    animal(pen)
    ground = pick(rng, body, coat.accent)
    image = paint_background(side, (ground, pick(rng, body, ground)), rng)
    _stick(pen.sheet, image, INK if rng.random() < 0.5 else WHITE)
    if rng.random() < 0.4:
        plant_leaves(image, pick(rng), rng)
    return photograph(image.resize((size, size), Image.Resampling.LANCZOS), rng)


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _random_frame(side: int, rng: np.random.Generator) -> np.ndarray:
    """Returns a random frame for a `Pen`, `(2, 3)`, which mirrors, leans, turns, scales and places an animal."""
    mirror = np.diag([rng.choice([-1.0, 1.0]), 1.0])
    lean = np.array([[1.0, rng.uniform(-0.15, 0.15)], [0.0, 1.0]])
    scale = side / 2 * rng.uniform(0.66, 0.92)
    place = side / 2 + (side / 2 - scale * 0.9) * rng.uniform(-1, 1, 2)
    return np.column_stack([scale * _rotation(rng.uniform(-0.25, 0.25)) @ lean @ mirror, place])


def _stick(sheet: Image.Image, image: Image.Image, rim: Colour) -> None:
    """Pastes the animal onto the image like a sticker, with a soft shadow and a rim."""
    side, silhouette = image.width, sheet.getchannel("A")
    blurred = silhouette.filter(ImageFilter.GaussianBlur(side / 64))
    image.paste(INK, (0, side // 32), mask=blurred.point(lambda alpha: alpha // 3))
    image.paste(rim, mask=blurred.point(lambda alpha: 16 * (alpha - 24)))
    image.paste(sheet, mask=silhouette)


def _rotation(angle: float) -> np.ndarray:
    """Returns the matrix `(2, 2)` that turns by an angle in radians, clockwise where y points down."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
