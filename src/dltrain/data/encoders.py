"""Which encoder a kind of data has: the one place that a new kind joins, so that its models can be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dltrain.data.new_corpora import CorpusEncoder
from dltrain.data.new_pairs import PairEncoder
from dltrain.data.new_pictures import PictureEncoder
from dltrain.data.new_rows import RowEncoder
from dltrain.data.new_texts import TextEncoder
from dltrain.data.new_windows import WindowEncoder
from dltrain.errors import DataError
from dltrain.types import Encoder, Facts, Kind

ENCODERS: Mapping[Kind, Callable[[Facts], Encoder]] = {
    "table": RowEncoder.of,
    "image": PictureEncoder.of,
    "text": TextEncoder.of,
    "corpus": CorpusEncoder.of,
    "ratings": PairEncoder.of,
    "series": WindowEncoder.of,
}


def encoder_of(facts: Facts) -> Encoder:
    """What encodes new samples for a model that was trained on such data.

    Raises:
        DataError: nothing does.
    """
    if facts.kind not in ENCODERS:
        raise DataError(f"{facts.kind} data cannot be encoded by this version", fix="upgrade dltrain")
    return ENCODERS[facts.kind](facts)
