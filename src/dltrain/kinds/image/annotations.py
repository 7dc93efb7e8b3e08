"""Recognises folders that were made for other tasks than to tell classes: masks of pixels, boxes around objects."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from dltrain.data.folder_tree import Folder, Tree, spell_path
from dltrain.errors import DataError

MASK_WORDS = "masks?|labels?|annotations?|annots?|segmentations?|segs?|gts?|ground[ _-]?truths?|mattes?|trimaps?"
MASK_FOLDER = re.compile(rf"({MASK_WORDS})|.*[ _-]({MASK_WORDS})|({MASK_WORDS})[ _-].*|Segmentation\w+", re.IGNORECASE)
MASK_END = re.compile(r"([ _.-](mask|seg|segmentation|gt|label|annotation)[ _-]?\d*)$", re.IGNORECASE)
BOX_FOLDER = re.compile(r"labels?|annotations?|bbox(es)?|box(es)?|xmls?", re.IGNORECASE)
BOX_SUFFIXES = frozenset([".txt", ".xml", ".json"])
CLASSES = "data.folders=classes"


def refuse_annotations(tree: Tree) -> None:
    """Refuses images that come with masks or boxes, which would be taken for classes.

    Raises:
        DataError: a folder holds masks of the images in another one, images are named as masks of others beside them,
            or a folder beside the images holds a file of boxes for each.
    """
    for folder in tree.root.walk():
        _refuse_mask_folders(tree, folder)
        _refuse_masks_beside(tree, folder)
        _refuse_boxes(tree, folder)


def _refuse_mask_folders(tree: Tree, parent: Folder) -> None:
    """Refuses a folder that is called masks or alike, if its images are named as those of another one are."""
    masks = [kid for kid in parent.filled if MASK_FOLDER.fullmatch(kid.name)]
    for mask in masks:
        stems = _stems(mask.samples)
        for kid in parent.filled:
            if kid not in masks and 2 * len(stems & _stems(kid.samples)) >= len(stems):
                raise _no_task(
                    f"{tree.name(mask.path)}/ holds an image of the same name for those in {tree.name(kid.path)}/, as "
                    "masks do that mark the pixels of objects",
                    tree,
                    "give the images without the masks, or, if these folders are classes, say so",
                    CLASSES,
                )


def _refuse_masks_beside(tree: Tree, folder: Folder) -> None:
    """Refuses images that are named as masks of others in their folder."""
    stems = {file.stem for file in folder.files}
    masks = [file for file in folder.files if (end := MASK_END.search(file.stem)) and file.stem[: end.start()] in stems]
    if masks:
        end = MASK_END.search(masks[0].stem)
        assert end is not None
        raise _no_task(
            f"{len(masks):,} of the {len(folder.files):,} images in {tree.name(folder.path)} are named as masks of "
            f"others, such as {spell_path(masks[0].name)} of {spell_path(masks[0].stem[: end.start()])}",
            tree,
            "move the masks out, or, if they are to be classified too, say so",
            CLASSES,
        )


def _refuse_boxes(tree: Tree, parent: Folder) -> None:
    """Refuses a folder beside one of images, without images and called labels or alike, that holds a file for each."""
    for kid in parent.folders:
        if kid.count or not BOX_FOLDER.fullmatch(kid.name):
            continue
        files = [file for below in kid.walk() for file in below.others if file.suffix.lower() in BOX_SUFFIXES]
        images = [file for other in parent.filled for file in other.samples]
        if files and images and 2 * len(_stems(files) & _stems(images)) >= len(files):
            raise _no_task(
                f"{tree.name(kid.path)}/ holds a {files[0].suffix.lower()} file for each image, as for boxes around "
                "objects",
                tree,
                "give a folder for each class, or name a class for each image in a table (data.labels=FILE)",
            )


def _no_task(what: str, tree: Tree, fix: str, override: str = "") -> DataError:
    whole = f"dltrain learns what a whole image shows, but {what}"
    return DataError(whole, where=spell_path(tree.root.path), fix=fix, override=override)


def _stems(files: Iterable[Path]) -> set[str]:
    return {MASK_END.sub("", file.stem) for file in files}
