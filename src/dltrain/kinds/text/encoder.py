"""The encoder of texts: the numbers of their tokens, and their lengths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dltrain.data.cells import name_list, nearest, shorten
from dltrain.data.text_files import SUFFIXES, is_text, named_files, read_samples
from dltrain.data.tokens import Padded, Vocabulary, pad
from dltrain.errors import DataError
from dltrain.kinds.joined_columns import STORED, encoder_of_columns
from dltrain.kinds.labels import TargetReader, target_of_files
from dltrain.kinds.table.encoder import TableEncoder, names_of_rows
from dltrain.kinds.text.cleaning import RULES, clean_texts
from dltrain.kinds.text.columns import is_prose
from dltrain.kinds.text.targets import ListForm, as_trained, with_bars
from dltrain.types import BatchTransform, Encoded, Facts, Layout, Remark

if TYPE_CHECKING:
    from dltrain.types import Raw

MOST_TOKENS = 512  # per text, if the length is not given
LOOKED_AT = 1 << 16  # bytes of a file that tell what it holds
SEPARATOR = re.compile(r"[\t,;|]")
PAIRS = 2  # characters, which alone say little
BETWEEN = " | "  # the texts of several columns
SHARE_WHOLE = 95  # per cent of the training texts that are then not cut


def trim(inputs: tuple[Tensor, ...], /) -> tuple[Tensor, ...]:
    """Returns a batch without common padding; on a GPU unchanged, since reading the lengths would cost time."""
    tokens, lengths, *others = inputs
    if lengths.device.type != "cpu" or torch.compiler.is_compiling():  # an export has one shape
        return inputs
    return tokens[:, : int(lengths.max())], lengths, *others


@dataclass(frozen=True)
class TextEncoder:
    """Encodes texts with the vocabulary of the training texts, with remarks about unusual ones.

    Args:
        vocabulary: the vocabulary of the training texts.
        length: the largest number of tokens of a text; later ones are cut.
        columns: the columns of texts in a table, which are joined.
        reader: reads the target's columns.
        has_header: whether the training table named its columns.
        as_written: whether numbers of tables keep their marks, by which the reader knows them.
        ignore_case: whether labels that differ by case alone are one label.
        suffixes: of files with one text each; empty where such a file was the training table.
        takes_bare_files: whether files with one text each may have names without a suffix.
        lists: how the target's cells write lists of labels, if not with separators.
        clean: the names of the rules by which texts are cleaned.
        one_line: whether each training text was a line, so that the lines of a file are texts.
        ngrams: number of tokens that say something by themselves, in a row.
        beside: encodes the columns of numbers and categories that join the texts; `None` if none do.
    """

    vocabulary: Vocabulary
    length: int
    columns: tuple[str, ...]
    reader: TargetReader
    has_header: bool = True
    as_written: bool = True
    ignore_case: bool = False
    suffixes: frozenset[str] = SUFFIXES
    takes_bare_files: bool = False
    lists: ListForm = ""
    clean: tuple[str, ...] = ()
    one_line: bool = False
    ngrams: int = 1
    beside: TableEncoder | None = None
    takes_rows: bool = True
    apart: bool = True
    prepare: BatchTransform = trim

    @classmethod
    def fit(
        cls,
        texts: Sequence[Sequence[str]],
        *,
        columns: Sequence[str],
        reader: TargetReader,
        vocabulary: Vocabulary,
        length: int | None = None,
        has_header: bool = True,
        ignore_case: bool = False,
        suffixes: frozenset[str] = SUFFIXES,
        takes_bare_files: bool = False,
        lists: ListForm = "",
        clean: tuple[str, ...] = (),
        one_line: bool = False,
        beside: TableEncoder | None = None,
    ) -> TextEncoder:
        """Returns an encoder with the length of the training texts.

        Args:
            texts: the tokens of each training text.
            columns: the columns of texts in a table.
            reader: reads the target's columns.
            vocabulary: of these tokens.
            length: the largest number of tokens of a text; None for as many as 95 % of the texts have, at most 512.
            has_header: as in the class.
            ignore_case: as in the class.
            suffixes: as in the class.
            takes_bare_files: as in the class.
            lists: as in the class.
            clean: as in the class.
            one_line: as in the class.
            beside: as in the class.

        Raises:
            DataError: there are no tokens.
        """
        counts, framing = [len(text) for text in texts], sum(vocabulary.frame)
        if max(counts) == framing:
            raise DataError("the training texts are all empty", where="data.text", fix="choose the column of texts")
        if length is None:
            length = min(MOST_TOKENS, max(1 + framing, int(np.percentile(counts, SHARE_WHOLE))))
        return cls(
            vocabulary,
            length,
            tuple(columns),
            reader,
            has_header,
            ignore_case=ignore_case,
            suffixes=suffixes,
            takes_bare_files=takes_bare_files,
            lists=lists,
            clean=clean,
            one_line=one_line,
            ngrams=PAIRS if vocabulary.tokens == "character" else 1,
            beside=beside,
        )

    @classmethod
    def of(cls, facts: Facts) -> TextEncoder:
        """Returns the encoder that a run's facts describe.

        Raises:
            DataError: the facts do not say how texts become tokens.
        """
        vocabulary, stored = Vocabulary.of(facts), facts.preprocessing
        try:
            text, lists = stored["text"], stored.get("lists", "")
            clean = tuple(map(str, stored.get("clean", ())))
            if lists not in get_args(ListForm) or not set(clean) <= set(RULES):
                raise ValueError(lists, clean)
            return cls(
                vocabulary,
                max(1, int(stored["length"])),
                (text,) if isinstance(text, str) else tuple(map(str, text)),
                TargetReader.of(facts),
                has_header=bool(stored.get("has_header", True)),
                as_written=bool(stored.get("as_written", False)),
                ignore_case=bool(stored.get("ignore_case", False)),
                suffixes=SUFFIXES if stored.get("text_files", True) else frozenset(),
                takes_bare_files=bool(stored.get("takes_bare_files", False)),
                lists=lists,
                clean=clean,
                one_line=bool(stored.get("one_line", False)),
                ngrams=int(stored.get("ngrams", 1)),
                beside=encoder_of_columns(facts),
            )
        except (KeyError, TypeError, ValueError):
            raise DataError("facts.json does not say how texts are encoded", fix="train again") from None

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `of` reads from the facts."""
        stored: dict[str, Any] = {
            "text": self.columns[0] if len(self.columns) == 1 else list(self.columns),
            "length": self.length,
            "as_written": self.as_written,
        }
        stored |= {"has_header": False} if not self.has_header else {}
        stored |= {"ignore_case": True} if self.ignore_case else {}
        stored |= {} if self.suffixes else {"text_files": False}
        stored |= {"takes_bare_files": True} if self.takes_bare_files else {}
        stored |= {"lists": self.lists} if self.lists else {}
        stored |= {"clean": list(self.clean)} if self.clean else {}
        stored |= {"one_line": True} if self.one_line else {}
        stored |= {} if self.beside is None else {STORED: self.beside.to_json()}
        stored |= {"ngrams": self.ngrams} if self.ngrams > 1 else {}
        return self.vocabulary.to_json() | stored | self.reader.forms_to_json()

    def recognises(self, path: Path) -> bool:
        """Tells whether a file without a suffix holds one text."""
        return self.takes_bare_files and is_text(path)

    def layout(self, path: Path) -> Layout:
        """Returns what a text file holds: one text, one in each line, as in training, or a table."""
        try:
            with path.open("rb") as file:
                head = file.read(LOOKED_AT).removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
        except OSError:
            return "sample"
        lines = [line for line in head.splitlines() if line.strip()]
        if len(lines) < 2:
            return "sample"
        fields = {field.strip().strip("'\"") for field in SEPARATOR.split(lines[0])}
        if self.has_header and set(self.columns) <= fields:
            return "table"
        return "lines" if self.one_line and len(self.columns) == 1 else "sample"

    def encode(self, raw: Raw, /) -> Encoded:
        """Encodes a frame with the column of texts, or texts, or files with one text each.

        Raises:
            DataError: the column is missing, or a file cannot be read.
        """
        if self.beside is not None and not isinstance(raw, pd.DataFrame):
            raise DataError(
                f"the model also takes {name_list(self.beside.names)} of each text",
                fix=f"give a table with these columns and {name_list(self.columns)}",
            )
        texts, ids = self._read(raw)
        padded = self.encode_tokens(self.vocabulary.split_texts(texts))
        encoded = Encoded(inputs_of(padded), ids, tuple(self._remarks(padded, row) for row in range(len(texts))))
        if self.beside is None:
            return encoded
        others = self.beside.encode(raw)
        remarks = tuple((*of_text, *of_row) for of_text, of_row in zip(encoded.remarks, others.remarks, strict=True))
        return replace(encoded, inputs=(*encoded.inputs, *others.inputs), remarks=remarks)

    def encode_tokens(self, texts: Sequence[Sequence[str]]) -> Padded:
        """Returns the numbers of tokens from `Vocabulary.split_texts`, cut and padded."""
        return pad(texts, self.vocabulary, self.length)

    def targets(self, raw: Raw, /) -> Tensor:
        """Returns the columns of labels or numbers, or the class of each file from its folder.

        Raises:
            DataError: the samples have no targets.
        """
        if isinstance(raw, pd.DataFrame):
            known = self.reader.classes or self.reader.outputs
            if self.lists and self.reader.name in raw.columns:
                raw = raw.assign(**{self.reader.name: with_bars(raw[self.reader.name], self.lists)})
            if self.ignore_case and self.reader.name in raw.columns:
                raw = raw.assign(**{self.reader.name: as_trained(raw[self.reader.name], known)})
            return self.reader.targets(raw)
        if isinstance(raw, Sequence) and named_files(raw, self._named):
            return target_of_files(self.reader.classes, raw)
        raise DataError("texts alone have no targets", fix="give a table, or files in class folders")

    @property
    def _named(self) -> frozenset[str] | None:
        """Returns how names of files end; None where they may end in any way."""
        return None if self.takes_bare_files else SUFFIXES

    def _read(self, raw: Raw) -> tuple[Sequence[str], tuple[str, ...]]:
        """Returns the texts and their names."""
        if isinstance(raw, pd.DataFrame):
            columns = self._select(raw)
            if self.clean:
                cells = {
                    name: clean_texts(columns[name].fillna("").astype(str), self.clean) for name in map(str, columns)
                }
                columns = columns.assign(**cells)
            return join_texts(columns), self._names_of(raw)
        samples = read_samples(raw.tolist() if isinstance(raw, np.ndarray) else raw, self._named)
        return clean_texts(samples.texts, self.clean), samples.names

    def _names_of(self, frame: pd.DataFrame) -> tuple[str, ...]:
        """Returns the names of rows: the cells of a column of ids, where there is one, else the rows' numbers."""
        frame = frame.set_axis([str(name).strip() for name in frame.columns], axis="columns")
        beside = self.beside.names if self.beside else ()
        return names_of_rows(frame, {*self.columns, self.reader.name, *self.reader.outputs, *beside})

    def _select(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Returns the columns of texts."""
        frame = frame.set_axis([str(name).strip() for name in frame.columns], axis="columns")
        absent = next((name for name in self.columns if name not in frame.columns), None)
        if absent is None:
            return frame[list(self.columns)]
        others = [name for name in frame.columns if name != self.reader.name]
        if len(others) == len(self.columns) == 1:  # the only column must be the texts, whatever its name
            if is_prose(others[0]):
                raise DataError(
                    f"the first line would name the column of texts, and reads like a text: {shorten(others[0])}",
                    where="data.header",
                    fix="say that the file has no header, or add one",
                    override="data.header=none",
                )
            return frame[others]
        close = nearest(absent, frame.columns)
        raise DataError(
            f"the table has no column {absent!r}, which contains the texts",
            fix=f"is it {close[0]!r}? rename it in the file"
            if close
            else f"rename one of its columns in the file: {name_list(frame.columns, 8)}",
        )

    def _remarks(self, padded: Padded, row: int) -> tuple[Remark, ...]:
        if padded.empty[row]:
            return (Remark("empty text"),)
        remarks = []
        if padded.cut[row]:
            remarks.append(Remark(f"cut at {self.length} {self.vocabulary.tokens}s"))
        if 2 * padded.unknown[row] > padded.lengths[row]:
            remarks.append(Remark(f"most {self.vocabulary.tokens}s unknown"))
        return tuple(remarks)


def join_texts(columns: pd.DataFrame) -> list[str]:
    """Returns the text of each row: its cells, joined; empty where all are missing."""
    parts = [columns[name].fillna("").astype(str).tolist() for name in columns.columns]
    if len(parts) == 1:
        return parts[0]
    return [BETWEEN.join(filter(None, map(str.strip, cells))) for cells in zip(*parts, strict=True)]


def inputs_of(padded: Padded) -> tuple[Tensor, Tensor]:
    """Returns a model's stored inputs: tokens `(N, T)` and lengths `(N,)`."""
    return torch.from_numpy(padded.tokens), torch.from_numpy(padded.lengths)
