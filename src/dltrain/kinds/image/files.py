"""Image files: which files are images, by their names or by how they begin."""

from __future__ import annotations

from pathlib import Path

from dltrain.data.folder_tree import FileType, beginning_of
from dltrain.kinds.image.annotations import find_boxes, refuse_annotations

SUFFIXES = frozenset([".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"])
SUFFIXES |= {".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".avif", ".heic", ".heif"}
BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  \r\n")
HEIC_BRANDS, AVIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1"), (b"avif", b"avis")  # of a file of boxes
LONGEST_BEGINNING = 12  # bytes


def is_image(path: Path) -> bool:
    """Tells whether a file begins as an image does."""
    head = beginning_of(path, LONGEST_BEGINNING)
    if head[4:8] == b"ftyp":
        return head[8:12] in (*HEIC_BRANDS, *AVIF_BRANDS)
    return head.startswith(BEGINNINGS) or (head[:4], head[8:12]) == (b"RIFF", b"WEBP")


IMAGES = FileType(
    "images",
    SUFFIXES,
    "class/*.jpg, or name them in a table (data.labels=FILE)",
    is_image,
    refuse_annotations,
    find_boxes,
    read_packed=True,
)
