"""Image files: which files are images, by their names or by how they begin."""

from __future__ import annotations

from pathlib import Path

from dltrain.data.folder_tree import FileType

HEIF = frozenset([".heic", ".heif"])
SUFFIXES = HEIF | {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
SUFFIXES |= {".pbm", ".pnm", ".tga", ".jp2", ".avif"}
BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  \r\n")
HEIF_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1")
LONGEST_BEGINNING = 12  # bytes


def is_image(path: Path) -> bool:
    """Tells whether a file begins as an image does, whatever its name."""
    try:
        with path.open("rb") as file:
            head = file.read(LONGEST_BEGINNING)
    except OSError:
        return False
    in_a_box = (head[:4], head[8:12]) == (b"RIFF", b"WEBP") or (head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS)
    return head.startswith(BEGINNINGS) or in_a_box


IMAGES = FileType("images", SUFFIXES, "class/*.jpg", is_image)
