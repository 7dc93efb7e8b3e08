"""Reads Parquet files, whole or a few rows at a time; dates, durations and categories keep their type."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from dltrain.data.json_lines import spell_nested
from dltrain.errors import DataError


def read_parquet(file: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Reads a Parquet file.

    Returns:
        A frame of at least one row, and no notes.

    Raises:
        DataError: this is not a Parquet file, or has no rows.
    """
    try:
        table = parquet.ParquetFile(file).read()
        frame = _to_frame(table)
    except DataError:
        raise
    except Exception as error:  # errors of pyarrow and of the file system
        raise _unreadable(file, error) from None
    if frame.empty:
        raise DataError(f"{file} contains no rows", where="data.path", fix="give a file with rows")
    return frame.reset_index(drop=isinstance(frame.index, pd.RangeIndex)), ()


def stream_parquet(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """Yields frames of up to `rows` rows from a Parquet file.

    Args:
        path: of the file.
        rows: most rows of a frame.

    Raises:
        DataError: it is not a Parquet file, or has no rows.
    """
    try:
        file = parquet.ParquetFile(path)
    except Exception as error:  # errors of pyarrow and of the file system
        raise _unreadable(path, error) from None
    if file.metadata.num_rows == 0:
        raise DataError(f"{path} contains no rows", where="data.path", fix="give a file with rows")
    start = 0
    for batch in file.iter_batches(batch_size=rows):
        frame = _to_frame(pa.Table.from_batches([batch]))
        frame = frame.reset_index(drop=frame.index.name is None)
        yield frame.set_axis(pd.RangeIndex(start, start + len(frame)))
        start += len(frame)


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError(
        f"{file} cannot be read as Parquet: {error}", where="data.path", fix="write it again, or save it as CSV"
    )


def _to_frame(table: pa.Table) -> pd.DataFrame:
    """Returns a frame with dates as timestamps, and decimals and half-precision numbers as floats.

    Records become columns such as `user.name`, and lists texts such as `red|large`, as in JSON.
    """
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    for position, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            texts = [cell if cell is None else str(spell_nested(cell)) for cell in table.column(position).to_pylist()]
            table = table.set_column(position, field.name, pa.array(texts, pa.string()))
    for position, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type) or pa.types.is_float16(field.type):
            table = table.set_column(position, field.name, table.column(position).cast(pa.float64()))
    return table.to_pandas(date_as_object=False)
