"""The parts of a run's page about words."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from dltrain.data.tokens import Vocabulary
from dltrain.drawing.plot import Drawn
from dltrain.drawing.section import Code, Section, Table
from dltrain.drawing.wording import spell
from dltrain.kinds.text.page import TextPage
from dltrain.runs.reader import Run
from dltrain.tasks.similar_words import SimilarWords

SHOWN, NEAR = 12, 6  # words of the table, and words nearest to each
VECTORS = "embed.table.weight"


class WordsPage(TextPage):
    """The page of words."""

    new: str = ""
    labelled: str = "other.txt"

    def sections(self, run: Run, plots: Mapping[str, Sequence[Drawn]]) -> Mapping[str, Sequence[Section]]:
        """Returns the map of vectors and the words nearest to some words, before the worst examples."""
        vectors = run.read_weight(VECTORS)
        tables: list[Table] = []
        if vectors is not None:
            similar = SimilarWords(Vocabulary.of(self.facts), vectors)
            rows = [
                [word, ", ".join(f"{near} {spell(cosine, 2)}" for near, cosine in similar.nearest([word], NEAR))]
                for word in self._spread(similar.words)
            ]
            caption = "The nearest words, with the cosines of their vectors; frequent words come first."
            tables.append(Table(["Word", "Nearest words"], rows, caption, numbers_from=2))
        return {"worst_examples": [Section("Similar words", plots=plots["words"], tables=tables)]}

    def describe_input(self) -> str:
        places = self.facts.input_shape[0]
        return "a word beside another" if places == 1 else f"up to {places} words around another"

    def usage(self, run: Run) -> list[Code]:
        """Returns the command that names the nearest words."""
        word = shlex.quote(Vocabulary.of(self.facts).words[0])
        return [Code(f"dltrain predict {shlex.quote(run.place)} --likes {word} --top 10", words="Name similar words:")]

    def _spread(self, words: Sequence[str]) -> list[str]:
        """Returns words from the most frequent ones to the middle of the vocabulary."""
        step = max(1, len(words) // (2 * SHOWN))
        return list(words[step : step * (SHOWN + 1) : step])
