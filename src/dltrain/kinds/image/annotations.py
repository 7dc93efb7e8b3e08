"""Recognises folders that were made for other tasks than to tell classes: masks of pixels, boxes around objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from dltrain.data.folder_layout import read_layout
from dltrain.data.folder_tree import Folder, Tree, beginning_of, spell_path
from dltrain.data.nouns import verb
from dltrain.errors import DataError

MASK_WORDS = "masks?|labels?|annotations?|annots?|segmentations?|segs?|gts?|ground[ _-]?truths?|mattes?|trimaps?"
MASK_FOLDER = re.compile(rf"({MASK_WORDS})|.*[ _-]({MASK_WORDS})|({MASK_WORDS})[ _-].*|Segmentation\w+", re.IGNORECASE)
MASK_END = re.compile(r"([ _.-](mask|seg|segmentation|gt|label|annotation)[ _-]?\d*)$", re.IGNORECASE)
BOX_FOLDER = re.compile(r"labels?|annotations?|bbox(es)?|box(es)?|xmls?", re.IGNORECASE)
BOX_SUFFIXES = frozenset([".txt", ".xml", ".json"])
COCO = re.compile(rb'"(images|annotations)"\s*:\s*\[')
COCO_KEYS = re.compile(rb'"(file_name|image_id|bbox|segmentation)"\s*:')
COCO_START = 1 << 16  # bytes of a file of COCO in which these are looked for
FOLDERS = "data.folders="
LOOKED_AT = 5  # pairs of an image and what is named as its mask
MASK_VALUES, JPEG_VALUES = 8, 32  # most values of nearly all pixels of a mask; JPEG changes them a little
NEARLY_ALL = 0.95  # of the pixels; those at the edges of objects may have values in between
SIDE = 512  # pixels of each row and column of a mask that are looked at, about
Pair = tuple[Path, Path]  # a mask and its image


def refuse_annotations(tree: Tree) -> None:
    """Refuses images that come with masks or boxes, which would be taken for classes.

    Raises:
        DataError: a folder holds masks of the images in another one, images are named as masks of others beside them,
            or the images, which lie in no folders of classes, have a folder with a file of boxes for each, or a file
            of boxes as COCO has them.
    """
    images = replace(tree, root=tree.root.without({folder.path for folder in find_boxes(tree)}))
    for folder in images.root.walk():
        _refuse_mask_folders(images, folder)
        _refuse_masks_beside(images, folder)
    if not _has_classes(images):
        for folder in tree.root.walk():
            _refuse_boxes(tree, folder)
            _refuse_coco(tree, folder)


def find_boxes(tree: Tree) -> list[Folder]:
    """Returns the folders called labels or alike that hold no images, but files as of boxes around objects."""
    kids = (kid for parent in tree.root.walk() if parent.count for kid in parent.folders)
    return [kid for kid in kids if BOX_FOLDER.fullmatch(kid.name) and _box_files(kid)]


def _refuse_mask_folders(tree: Tree, parent: Folder) -> None:
    """Refuses a folder that is called masks or alike, if its images are named as those of another one are."""
    kids = parent.filled
    named = [bool(MASK_FOLDER.fullmatch(kid.name)) for kid in kids]
    if not any(named) or all(named):
        return
    files = [(kid, _by_stem(kid.samples)) for kid in kids]
    others = [pair for pair, is_named in zip(files, named, strict=True) if not is_named]
    for mask, masks in (pair for pair, is_named in zip(files, named, strict=True) if is_named):
        kid, images = max(others, key=lambda other: len(masks.keys() & other[1].keys()))
        pairs = [(file, images[stem]) for stem, file in masks.items() if stem in images]
        if 2 * len(pairs) >= len(masks) and _are_masks(pairs):
            raise _no_task(
                f"{tree.name(mask.path)}/ holds an image of the same name for those in {tree.name(kid.path)}/, as "
                "masks do that mark the pixels of objects",
                tree,
                "give the images without the masks, or, if these folders are classes, say so",
                _as_they_are(tree),
            )


def _refuse_masks_beside(tree: Tree, folder: Folder) -> None:
    """Refuses images of which most have another one in their folder that is named as their mask."""
    ends = {file: end for file in folder.files if (end := MASK_END.search(file.stem))}
    if not ends:
        return
    images = {file.stem: file for file in folder.files if file not in ends}
    masks = [(file, images[stem]) for file, end in ends.items() if (stem := file.stem[: end.start()]) in images]
    if masks and 2 * len({image for _, image in masks}) >= len(images) and _are_masks(masks):
        mask, image = masks[0]
        raise _no_task(
            f"{len(masks):,} of the {len(folder.files):,} images in {_place(tree, folder)} "
            f"{verb(len(masks), 'is named as the mask of another', 'are named as masks of others')}, such as "
            f"{spell_path(mask.name)} of {spell_path(image.stem)}",
            tree,
            "move the masks out, or, if they are to be classified too, say so",
            _as_they_are(tree),
        )


def _refuse_boxes(tree: Tree, parent: Folder) -> None:
    """Refuses a folder beside one of images, without images and called labels or alike, that holds a file for each."""
    for kid in parent.folders:
        files = _box_files(kid) if BOX_FOLDER.fullmatch(kid.name) else []
        if not files:
            continue
        stems = _by_stem(files).keys()
        images = _by_stem(file for other in parent.filled for file in other.samples)
        if 2 * len(stems & images.keys()) >= len(files):
            raise _no_task(
                f"{tree.name(kid.path)}/ holds a {files[0].suffix.lower()} file for each image, as for boxes around "
                "objects",
                tree,
                "give a folder for each class, or name a class for each image in a table (data.labels=FILE)",
            )


def _refuse_coco(tree: Tree, folder: Folder) -> None:
    """Refuses a folder that holds a file of boxes around objects, in the form of COCO."""
    for file in folder.others:
        if file.suffix.lower() == ".json" and _is_coco(file):
            raise _no_task(
                f"{tree.name(file)} marks objects in the images, as COCO's files do",
                tree,
                "give a folder for each class, or name a class for each image in a table (data.labels=FILE)",
            )


def _is_coco(path: Path) -> bool:
    """Tells by its beginning whether a file has the form of COCO."""
    start = beginning_of(path, COCO_START)
    return bool(COCO.search(start) and COCO_KEYS.search(start))


def _box_files(folder: Folder) -> list[Path]:
    """Returns the files as of boxes in a folder without images and below it."""
    if folder.count:
        return []
    return [file for below in folder.walk() for file in below.others if file.suffix.lower() in BOX_SUFFIXES]


def _has_classes(tree: Tree) -> bool:
    """Tells whether there are folders of two classes."""
    try:
        layout = read_layout(tree, "auto")
    except DataError:
        return False
    return sum(kid.count > 0 for _, kid in layout.splits["train"]) > 1


def _as_they_are(tree: Tree) -> str:
    """Returns the override that takes the folders as classes, those of each split where they lie in splits."""
    try:
        mean = "splits" if len(read_layout(tree, "auto").splits) > 1 else "classes"
    except DataError as error:
        return error.override if error.override.startswith(FOLDERS) else f"{FOLDERS}classes"
    return f"{FOLDERS}{mean}"


def _are_masks(pairs: Sequence[Pair]) -> bool:
    """Tells whether most of some pairs are a mask and its image, by their pixels."""
    tried = pairs[:: max(1, len(pairs) // LOOKED_AT)][:LOOKED_AT]
    return 2 * sum(_is_mask(mask, image) for mask, image in tried) > len(tried)


def _is_mask(path: Path, image: Path) -> bool:
    """Tells whether a file has the size of an image, and few values or colours in nearly all pixels, as masks have."""
    try:
        with Image.open(path) as mask, Image.open(image) as whole:
            if sorted(mask.size) != sorted(whole.size):  # a photo may be stored lying on its side
                return False
            most = JPEG_VALUES if mask.format == "JPEG" else MASK_VALUES
            step = max(1, max(mask.size) // SIDE)
            single = len(mask.getbands()) == 1
            pixels = np.asarray(mask if single else mask.convert("RGB"))[::step, ::step]
    except Exception:  # Pillow's decoders may raise anything for a broken file, which is refused later
        return False
    values = pixels.ravel() if single else pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    counts = np.sort(np.unique(values, return_counts=True)[1])[::-1]
    return bool(counts[:most].sum() >= NEARLY_ALL * counts.sum())


def _place(tree: Tree, folder: Folder) -> str:
    return "the folder" if folder.path == tree.root.path else tree.name(folder.path)


def _no_task(what: str, tree: Tree, fix: str, override: str = "") -> DataError:
    whole = f"dltrain learns what a whole image shows, but {what}"
    return DataError(whole, where=spell_path(tree.root.path), fix=fix, override=override)


def _by_stem(files: Iterable[Path]) -> Mapping[str, Path]:
    """Returns files by their names, without suffix and what masks are called in the end."""
    return {MASK_END.sub("", file.stem): file for file in files}
