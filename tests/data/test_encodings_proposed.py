"""Files in encodings that are not certain: never read as another one, and refused with the likeliest."""

from __future__ import annotations

import pytest

from dltrain.data.text_encoding import decode
from dltrain.errors import DataError


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("이 영화 정말 재미있다 오늘 길\n", "cp949"),
        ("これは本です。とても良い。買う\n", "shift_jis"),
        ("これは本です。とても良い。買う\n", "euc_jp"),
        ("слово и дело, хорошо и плохо\n", "cp1251"),
        ("слово и дело, хорошо и плохо\n", "koi8-r"),
        ("這個東西真的很棒我買了兩個\n", "big5"),
        ("Größe über Öl, café à l'été, señor\n", "cp1252"),
    ],
)
def test_the_likeliest_encoding_is_proposed(text: str, encoding: str) -> None:
    with pytest.raises(DataError, match="its encoding is not certain") as refused:
        decode((3 * text).encode(encoding), "a.csv", "auto")
    assert refused.value.override == f"data.encoding={encoding}"


@pytest.mark.parametrize("text", ["男\n女\n男\n", "这个东西很好用，我买了三个，质量也不错\n"])
def test_everyday_chinese_is_read(text: str) -> None:
    assert decode(text.encode("gbk"), "a.csv", "auto")[0] == text


def test_utf8_is_not_misread_in_another_encoding() -> None:
    data = "café, naïve, für, señor\n".encode()
    for encoding in ("latin-1", "cp1252"):
        with pytest.raises(DataError, match="is UTF-8, and would be misread") as refused:
            decode(data, "a.csv", encoding)
        assert refused.value.override == "data.encoding=utf-8"
    assert decode("café, naïve, für, señor\n".encode("latin-1"), "a.csv", "latin-1")[0].startswith("café")
    assert decode("联通".encode("gbk"), "a.csv", "gbk")[0] == "联通"  # UTF-8 by chance
    assert decode(b"plain", "a.csv", "latin-1")[0] == "plain"
