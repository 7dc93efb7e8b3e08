"""Which encoder a kind of data has: the one place that a new kind joins, so that its models can be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dltrain.errors import DataError
from dltrain.kinds.corpus.encoder import CorpusEncoder
from dltrain.kinds.image.encoder import PictureEncoder
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.kinds.table.encoder import RowEncoder
from dltrain.kinds.text.encoder import TextEncoder
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
