"""Finds the text encoding of a file, or refuses a file whose encoding is not certain."""

from __future__ import annotations

import codecs
import difflib

from dltrain.errors import DataError

BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
PIECE = 1 << 20
BEYOND_CHANCE = 4  # characters beyond ASCII; 联通 in GBK is UTF-8 by chance
FEWEST_LETTERS = 3  # different ones that tell a script
FREQUENT = frozenset("이다는에의을를가은하고도로한지기사리어아")  # syllables of Korean
COMMON_ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "gbk", "gb18030", "big5", "cp1252", "latin-1", "cp1251")


def decode(data: bytes, path: str, encoding: str) -> tuple[str, tuple[str, ...]]:
    """Returns the text without its byte order mark, and a note where the encoding is not UTF-8.

    Raises:
        DataError: the bytes are not text in that encoding, or with `auto` the encoding is not certain.
    """
    if encoding != "auto":
        try:
            text = data.decode(encoding).removeprefix("\ufeff")
            if _is_rather_utf8(data, encoding):
                raise DataError(
                    f"{path} is UTF-8, and would be misread as {encoding}",
                    where="data.encoding",
                    fix="read it as it is",
                    override="data.encoding=utf-8",
                )
            return text, ()
        except LookupError:
            nearest = difflib.get_close_matches(encoding.lower(), COMMON_ENCODINGS, n=1, cutoff=0.5)
            raise DataError(
                f"there is no text encoding {encoding!r}",
                where="data.encoding",
                fix=f"use one such as {', '.join(COMMON_ENCODINGS[:6])}",
                override=f"data.encoding={nearest[0] if nearest else 'auto'}",
            ) from None
        except ValueError as error:
            raise DataError(
                f"{path} is not {encoding}: {error}",
                where="data.encoding",
                fix="name another encoding, or auto to find it",
                override="data.encoding=auto",
            ) from None
    if data.startswith(b"PK\x03\x04"):
        raise DataError(
            f"{path} is an Excel workbook or a zip file, not text", "data.path", "end the name of a workbook in .xlsx"
        )
    marked = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), "")
    wide = {(1, 0): "utf-16-be", (0, 1): "utf-16-le"}.get((int(data[0:3:2] == b"\0\0"), int(data[1:4:2] == b"\0\0")))
    if wide and not marked:
        raise DataError(
            f"{path} seems to be UTF-16 without a byte order mark",
            where="data.encoding",
            fix=f"name the encoding, {wide}",
            override=f"data.encoding={wide}",
        )
    try:
        text = data.decode(marked or "utf-8").removeprefix("\ufeff")
        return text, ("read as UTF-16, by its byte order mark",) if marked == "utf-16" else ()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        at = f"{path}, line {line}"
        if marked:
            raise DataError(
                f"the file's byte order mark says {marked}, but it contains the byte 0x{data[error.start]:02x}",
                where=at,
                fix="save it again as UTF-8, or name its encoding in data.encoding",
            ) from None
        return _decode_gb18030(data, at)


def to_utf8(data: bytes, path: str, encoding: str) -> tuple[bytes, tuple[str, ...]]:
    """Returns a text in UTF-8 without a byte order mark, and a note where it was in another encoding.

    Raises:
        DataError: as `decode` does.
    """
    plain = not data.startswith((b"PK\x03\x04", codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\0" not in data[:4]
    if plain and encoding.lower() in ("auto", "utf-8", "utf8") and _is_utf8(data):
        return data.removeprefix(codecs.BOM_UTF8), ()
    text, notes = decode(data, path, encoding)
    return text.encode("utf-8", "replace"), notes


def _is_rather_utf8(data: bytes, encoding: str) -> bool:
    """Tells whether bytes that another encoding also decodes are UTF-8, as text in that one never is by chance."""
    if codecs.lookup(encoding).name.startswith("utf") or data.isascii():
        return False
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return len(text.encode("ascii", "ignore")) <= len(text) - BEYOND_CHANCE


def _is_utf8(data: bytes) -> bool:
    """Tells whether bytes are UTF-8, without a copy of all of them."""
    if data.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), PIECE):
            decoder.decode(data[start : start + PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def find_encoding(head: bytes, path: str, *, whole: bool) -> str:
    """Returns the encoding of a file, found in its first bytes by the rules of `decode`.

    Args:
        head: the first bytes.
        path: of the file.
        whole: whether they are all bytes of the file.

    Raises:
        DataError: the encoding is not certain.
    """
    marked = next((name for mark, name in BYTE_ORDER_MARKS if head.startswith(mark)), "")
    if marked:
        return "utf-8-sig" if marked == "utf-8" else marked
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=whole)
    except UnicodeDecodeError:
        cut = len(head) if whole else head.rfind(b"\n") + 1
        decode(head[:cut] or head, path, "auto")
        return "gb18030"
    if b"\0" in head:
        decode(head, path, "auto")
    return "utf-8"


def _decode_gb18030(data: bytes, at: str) -> tuple[str, tuple[str, ...]]:
    """Decodes bytes that are not UTF-8 as GB18030 if that yields everyday Chinese, as European text never does.

    Everyday Chinese lies in GB 2312: nearly every character belongs to it, and most to its first level, the 3,755
    common ones (lead bytes 0xB0 to 0xD7). Korean in EUC-KR falls into that level too, but never beyond lead byte 0xC8,
    and then is Hangul with its everyday syllables.

    Raises:
        DataError: it does not.
    """
    try:
        text = data.decode("gb18030")
        # Each character counts once: a column of 男 and 女 says no more about the encoding than one row of it.
        wide = [char.encode("gb18030") for char in sorted({char for char in text if char > "\x7f"})]
    except UnicodeDecodeError:
        text, wide = "", []
    in_gb2312 = [pair for pair in wide if len(pair) == 2 and pair[0] <= 0xF7 and min(pair) >= 0xA1]
    ideographs = [pair for pair in in_gb2312 if pair[0] >= 0xB0]
    common = [pair for pair in ideographs if pair[0] <= 0xD7]
    late = [pair for pair in common if pair[0] > 0xC8]
    kana_and_lines = [pair for pair in in_gb2312 if 0xA4 <= pair[0] < 0xB0]
    if (
        len(ideographs) >= 2
        and "\0" not in text
        and len(in_gb2312) >= 0.95 * len(wide)
        and len(common) >= 0.6 * len(ideographs)
        and len(kana_and_lines) <= 0.05 * len(wide)
        and (len(common) < 20 or len(late) >= 0.1 * len(common))
        and not _is_korean(data)
    ):
        return text, ("read as GB18030 (GBK): the text is not UTF-8, and in this encoding it is everyday Chinese",)
    if b"\0" in data:
        raise DataError(
            "the file is not UTF-8 and contains zero bytes, so it is probably not text",
            where=at,
            fix="give a text file, or name its encoding, such as data.encoding=utf-16-le",
        )
    raise DataError(
        "the file is not UTF-8, and its encoding is not certain",
        where=at,
        fix="save it as UTF-8 or name its encoding: gbk or big5 for Chinese, shift_jis for Japanese, cp949 for Korean, "
        "cp1251 for Cyrillic, cp1252 for European",
        override=f"data.encoding={_likeliest(data, 'gbk' if len(common) > 0.5 * len(wide) else 'cp1252')}",
    )


def _is_korean(data: bytes) -> bool:
    """Tells whether bytes are Hangul in EUC-KR: nearly all of it, with two of the most frequent syllables."""
    letters = _letters(data, "cp949")
    return bool(letters) and len(_among(letters, "가", "힣")) >= 0.9 * len(letters) and len(letters & FREQUENT) >= 2


def _likeliest(data: bytes, otherwise: str) -> str:
    """Returns the encoding that is proposed for bytes that may be of several."""
    if _is_korean(data):
        return "cp949"
    for japanese in ("shift_jis", "euc_jp"):
        letters = _letters(data, japanese)
        if letters and len(_among(letters, "ぁ", "ヿ")) >= 0.2 * len(letters):
            return japanese
    for cyrillic in ("cp1251", "koi8-r"):
        letters = _letters(data, cyrillic)
        text = data.decode(cyrillic, "ignore")
        small, large = (sum(map(text.count, _among(letters, *ends))) for ends in (("а", "я"), ("А", "Я")))
        many = FEWEST_LETTERS <= len(_among(letters, "А", "я")) >= 0.9 * len(letters)
        if many and small > 3 * large and small > sum(char.isascii() and char.isalpha() for char in text) / 2:
            return cyrillic
    big5 = _letters(data, "big5")
    if len(big5) >= FEWEST_LETTERS and otherwise != "gbk" and len(_among(big5, "\u4e00", "\u9fff")) >= 0.6 * len(big5):
        return "big5"
    return otherwise


def _letters(data: bytes, encoding: str) -> set[str]:
    """Returns the different characters beyond ASCII; none where the bytes are not in that encoding."""
    try:
        return {char for char in data.decode(encoding) if char > "\x7f"}
    except UnicodeDecodeError:
        return set()


def _among(letters: set[str], first: str, last: str) -> set[str]:
    return {char for char in letters if first <= char <= last}
