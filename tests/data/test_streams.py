from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dltrain.data.json_lines import stream_json_lines
from dltrain.data.streams import Rejoined, read_head, stream_csv
from dltrain.data.table_files import read_file
from dltrain.data.table_format import TableFormat
from dltrain.errors import DataError


def streamed(content: bytes, rows: int = 2, **form: Any) -> list[pd.DataFrame]:
    file = io.BytesIO(content)
    source = Rejoined(read_head(file), file)
    return list(stream_csv(source, "x.csv", TableFormat(**form), rows))


@pytest.mark.parametrize(
    "content",
    [
        b'a,b\n1,x\n2,\n3,"y\nz"\n',
        "\ufeff名字;分\r\n王;1,5\r\n李;2\r\n张;1.234,5\r\n".encode(),
        "姓名,性别,城市\n王伟,男,北京\n李娜,女,上海\n张强,男,广州\n".encode("gbk"),
        "a\tb\n1\t2\n3\t4\n".encode("utf-16"),
        b"1.5,2\n3.5,4\n",
    ],
)
def test_a_stream_reads_what_the_whole_file_reads(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    whole, _ = read_file(str(tmp_path / "x.csv"), TableFormat())
    parts = streamed(content)
    pd.testing.assert_frame_equal(pd.concat(parts), whole, check_index_type=False)
    assert all(len(part) <= 2 for part in parts)


def test_what_a_comma_means_is_kept_for_parts_without_one() -> None:
    frames = streamed(b"a;b\n1,5;x\n2,5;x\n1.234;y\n3;y\n", points=True)
    assert list(pd.concat(frames)["a"]) == ["1.5", "2.5", "1234", "3"]


@pytest.mark.parametrize(
    ("content", "said", "where"),
    [
        (b"", "is empty", ""),
        (b"a,b\n", "no rows", ""),
        (b"a,b\n1,2\n3,4\n5,6,7\n", "the row has 3 fields and the header 2", "line 4"),
        (b'a,b\n1,"2\n', "quote", ""),
        (b"a,a\n1,2\n", "two columns have the name", ""),
    ],
)
def test_damage_is_named(content: bytes, said: str, where: str) -> None:
    with pytest.raises(DataError) as caught:
        streamed(content)
    assert said in caught.value.what and where in caught.value.where


def test_a_later_byte_of_another_encoding_is_refused() -> None:
    with pytest.raises(DataError, match="is not utf-8"):
        streamed(b"a,b\n" + b"1,2\n" * 300_000 + "王,1\n".encode("gbk"), rows=4096)


def test_json_lines_may_lack_values() -> None:
    file = io.BytesIO(b'{"a": 1, "b": "x"}\n\n{"b": "y", "c": null}\n')
    (frame,) = stream_json_lines(Rejoined(read_head(file), file), "x.jsonl", 10)
    assert list(frame.columns) == ["a", "b", "c"]
    assert frame["a"].isna().tolist() == [False, True]


@pytest.mark.parametrize("line", [b"1", b'{"a": ', b"[" * 100_000])
def test_what_is_no_object_is_refused_with_its_line(line: bytes) -> None:
    file = io.BytesIO(b'{"a": 1}\n' + line + b"\n")
    with pytest.raises(DataError) as caught:
        list(stream_json_lines(Rejoined(read_head(file), file), "x.jsonl", 10))
    assert "line 2" in caught.value.where
