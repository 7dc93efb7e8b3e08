"""New documents, as a model of the next token takes them: as windows, whose tokens are known and asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from dltrain.data.text_files import SUFFIXES, read_texts
from dltrain.data.tokens import UNKNOWN, Vocabulary
from dltrain.errors import DataError
from dltrain.kinds.corpus.documents import Document
from dltrain.kinds.corpus.load import stream_of, windows
from dltrain.types import Encoded, Facts, Remark, Split

if TYPE_CHECKING:
    from dltrain.types import Raw


@dataclass(frozen=True)
class CorpusEncoder:
    """Numbers the tokens of files by the vocabulary that the training documents taught."""

    facts: Facts
    vocabulary: Vocabulary
    length: int
    suffixes: frozenset[str] = SUFFIXES | {".py"}
    takes_rows: bool = False
    apart: bool = True
    prepare: None = None

    @classmethod
    def of(cls, facts: Facts) -> CorpusEncoder:
        """The encoder that the facts describe.

        Raises:
            DataError: they do not say how text became tokens.
        """
        try:
            vocabulary = Vocabulary.from_json(facts.preprocessing)
            if vocabulary.tokens not in ("word", "character") or len(vocabulary) != facts.vocab_sizes[0]:
                raise ValueError
            return cls(facts, vocabulary, int(facts.input_shape[0]))
        except (KeyError, TypeError, ValueError, IndexError):
            raise DataError("facts.json does not say how text becomes tokens", fix="train again") from None

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes files of text.

        Raises:
            DataError: these are none, or they cannot be read.
        """
        split = self._windows(raw)
        unknown = (split.inputs[0] == UNKNOWN).any(dim=1).tolist()
        return Encoded(split.inputs, split.ids, tuple((Remark("unknown tokens"),) if some else () for some in unknown))

    def targets(self, raw: Raw, /) -> Tensor:
        """The tokens that follow, `(N, T)`."""
        return self._windows(raw).target

    def _windows(self, raw: Raw) -> Split:
        if not isinstance(raw, Sequence) or isinstance(raw, str):
            raise DataError(
                f"{type(raw).__name__} where files of text are due: the model continues text",
                fix="name text files, or let it write: dltrain predict RUN --prompt TEXT",
            )
        files = [Path(path) for path in raw]
        for file in files:
            if not file.is_file():
                raise DataError(f"there is no file {file}", fix="or let it write: dltrain predict RUN --prompt TEXT")
        documents = [
            Document(str(file), text) for file, text in zip(files, read_texts(files, "auto")[0], strict=True) if text
        ]
        stream = stream_of(documents, self.vocabulary)
        return windows(stream, self.length, max(1, self.length // 2))
