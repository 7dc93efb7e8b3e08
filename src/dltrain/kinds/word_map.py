"""A map of tokens or items: their learned vectors, projected to the two directions of largest variance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dltrain.drawing.style import COLORS, Drawing, Lettering, name_axes, new_axes, new_figure
from dltrain.runs.reader import Floats, Run

WORDS = 80  # on the map
COMMON = 400  # vectors that decide the directions
# The names of the weights, and how many of their first rows have no name, such as padding.
EMBEDDINGS = {
    **dict.fromkeys(("embed.table.weight", "tokens.table.weight"), 3),
    **dict.fromkeys(("samples.embed.table.weight", "samples.tokens.table.weight"), 3),  # beside columns
    "item.weight": 1,
}


def draw_word_map(run: Run, words: Sequence[str], what: str, text: Lettering) -> Drawing | None:
    """Draws tokens or items at the positions of their vectors.

    Args:
        run: the run with the vectors.
        words: the names of the first vectors.
        what: what the vectors are of, in words.
        text: the lettering of labels.

    Returns:
        The drawing; `None` if the run has no such vectors, or fewer than three have names.
    """
    vectors = _vectors(run) if words else None
    if vectors is None or len(words) < 3:
        return None
    points = two_directions(vectors)[: len(words)]
    figure = new_figure(height=5.6)
    (axes,) = new_axes(figure)
    axes.grid(False)
    axes.plot(points[:, 0], points[:, 1], "o", markersize=2.5, color=COLORS[0], alpha=0.5)
    for word, (x, y) in zip(words, points.tolist(), strict=True):
        axes.annotate(text(word, 14).strip(), (x, y), fontsize=8.5, xytext=(2, 2), textcoords="offset points")
    name_axes(axes, "first principal component", "second")
    return Drawing(figure, f"The vectors of the {len(words)} {what}, projected to two dimensions.")


def shown_tokens(vocabulary: Sequence[str]) -> list[str]:
    """Returns the most frequent tokens of a vocabulary, with visible signs for blanks and line ends."""
    return [_visible(str(word)) for word in vocabulary[:WORDS]]


def two_directions(vectors: Floats) -> Floats:
    """Returns the projection of `(N, width)` to the two directions of largest variance, `(N, 2)`."""
    centred = vectors - vectors.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(centred @ directions[:2].T)


def _vectors(run: Run) -> Floats | None:
    """Returns the vectors of the first tokens or items that have names, `(N, width)`."""
    for name, nameless in EMBEDDINGS.items():
        weight = run.read_weight(name)
        if weight is not None and weight.shape[1] > 1:
            return np.asarray(weight[nameless : nameless + COMMON], dtype=np.float64)
    return None


def _visible(word: str) -> str:
    return word.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")
