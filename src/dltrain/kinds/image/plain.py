"""Decodes plain JPEG and PNG files without Pillow's reading of their headers, which small files spend most time in.

Pillow reads headers in Python, so that threads wait for each other. A plain file has nothing in its header but what its
decoder needs; its bytes go to the very decoder that Pillow would give them to, with the same arguments, and become the
same pixels. All other files, and those that the decoder does not take, are left to Pillow.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from PIL import Image

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
FRAMES = frozenset([0xC0, 0xC1, 0xC2])  # of Huffman-coded JPEG: baseline, extended, progressive
QUANTIZATION, SCAN = 0xDB, 0xDA
WITHOUT_EFFECT = frozenset([0xC4, 0xDD, 0xE0, 0xFE])  # on pixels, but by the decoder: Huffman tables, JFIF, comments
TABLE = 65  # bytes of a quantization table of 8 bits
HEADER = 4096  # bytes, in which that of a plain JPEG file ends
SCALES = (8, 4, 2, 1)  # by which a JPEG may be reduced as it is decoded
MODES = {1: "L", 3: "RGB"}  # by the number of channels
COLOURS = {0: "L", 2: "RGB"}  # of PNG, without transparency
LENGTHS = {b"IHDR": 13, b"pHYs": 9, b"gAMA": 4, b"sRGB": 1, b"cHRM": 32, b"tIME": 7, b"IEND": 0}  # of chunks of PNG
TEXTS_OF_CAMERAS = (b"Raw profile", b"XML")  # which may turn the image


class JpegHeader(NamedTuple):
    """The header of a plain JPEG file.

    Args:
        width: of the image, in pixels.
        height: likewise.
        channels: 1 for grey, 3 for colour.
    """

    width: int
    height: int
    channels: int


def decode_plain(content: bytes, at_least: tuple[int, int]) -> Image.Image | None:
    """Returns the image of a plain file; `None` for others.

    Args:
        content: of the file.
        at_least: width and height that a JPEG is reduced to at most, as by Pillow's `draft`.
    """
    return _decode_png(content) if content.startswith(PNG) else _decode_jpeg(content, at_least)


def header_of(file: Path) -> JpegHeader | None:
    """Returns the header of a plain JPEG file; `None` for others.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb", buffering=0) as opened:
        return read_jpeg_header(opened.read(HEADER))


def read_jpeg_header(content: bytes) -> JpegHeader | None:
    """Returns the header of a plain JPEG file, given its beginning; `None` for others, as with a profile of colours or
    data of a camera, which may turn the image."""
    header, at = None, 2
    if not content.startswith(JPEG):
        return None
    while at + 4 <= len(content):
        prefix, marker, length = struct.unpack_from(">BBH", content, at)
        end = at + 2 + length
        if prefix != 0xFF or length < 2 or end > len(content):
            return None
        if marker == SCAN:
            return header
        if marker in FRAMES:
            if header is not None or length < 8:
                return None
            bits, height, width, channels = struct.unpack_from(">BHHB", content, at + 4)
            if bits != 8 or not width or not height or channels not in MODES or length != 8 + 3 * channels:
                return None
            header = JpegHeader(width, height, channels)
        elif marker == QUANTIZATION:
            if (length - 2) % TABLE or any(content[table] > 15 for table in range(at + 4, end, TABLE)):
                return None
        elif marker not in WITHOUT_EFFECT:
            return None
        at = end
    return None


def _decode_jpeg(content: bytes, at_least: tuple[int, int]) -> Image.Image | None:
    if (header := read_jpeg_header(content)) is None:
        return None
    most = min(header.width // at_least[0], header.height // at_least[1])
    scale = next((scale for scale in SCALES if most >= scale), 1)
    size = -(-header.width // scale), -(-header.height // scale)
    mode = MODES[header.channels]
    return _decode(mode, size, content, "jpeg", mode, "", scale, 0)


def _decode_png(content: bytes) -> Image.Image | None:
    chunks = list(_plain_chunks(content))
    names = [name for name, _ in chunks]
    pixels = [data for name, data in chunks if name == b"IDAT"]
    if len(names) < 3 or (names[0], names[-1]) != (b"IHDR", b"IEND") or names.count(b"IHDR") > 1 or not pixels:
        return None
    first = names.index(b"IDAT")
    width, height, bits, colour, *others = struct.unpack(">IIBBBBB", chunks[0][1])
    if (
        names[first : first + len(pixels)] != [b"IDAT"] * len(pixels)
        or bits != 8
        or colour not in COLOURS
        or any(others)
    ):
        return None  # compressed, filtered or interlaced in another way
    return _decode(COLOURS[colour], (width, height), b"".join(pixels), "zip", COLOURS[colour])


def _plain_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the name and the data of each chunk of a PNG file, up to one that is damaged or not plain."""
    at = len(PNG)
    while at + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        end = at + 8 + length
        data = content[at + 8 : end]
        if name == b"IDAT":  # whose sum Pillow does not check either; their compression has one of its own
            plain = True
        elif name == b"tEXt":
            plain = not data.startswith(TEXTS_OF_CAMERAS)
        else:
            plain = LENGTHS.get(name) == length
        whole = name == b"IDAT" or content[end : end + 4] == crc32(content[at + 4 : end]).to_bytes(4, "big")
        if end + 4 > len(content) or not plain or not whole:
            return
        yield name, data
        if name == b"IEND":
            return
        at = end + 4


def _decode(mode: str, size: tuple[int, int], content: bytes, *decoder: Any) -> Image.Image | None:
    if not min(size) or (Image.MAX_IMAGE_PIXELS and size[0] * size[1] > Image.MAX_IMAGE_PIXELS):
        return None
    try:
        return Image.frombytes(mode, size, content, *decoder)
    except Exception:  # decoders may raise anything for a broken file, and Pillow says what it is
        return None
