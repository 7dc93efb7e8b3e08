"""Names of folders that hold a split, in all usual spellings, and of folders that say nothing about their samples."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal, NamedTuple

from dltrain.types import SplitName

Use = SplitName | Literal["unlabelled"]

WORDS: Mapping[str, Use] = {
    **dict.fromkeys(["train", "training", "trn", "trainval", "训练", "训练集"], "train"),
    **dict.fromkeys(["val", "valid", "validation", "validate", "dev", "development", "eval", "evaluation"], "val"),
    **dict.fromkeys(["验证", "验证集"], "val"),
    **dict.fromkeys(["trainings", "entrainement", "entrenamiento", "treinamento", "treino", "addestramento"], "train"),
    **dict.fromkeys(["validierung", "validierungs", "validacion", "validacao", "validazione"], "val"),
    **dict.fromkeys(["prueba", "pruebas", "teste", "testes"], "test"),
    **dict.fromkeys(["test", "testing", "tests", "tst", "holdout", "heldout", "测试", "测试集"], "test"),
    **dict.fromkeys(["pred", "predict", "prediction", "unlabeled", "unlabelled", "unsup"], "unlabelled"),
}
FILLERS = frozenset(
    [
        *["set", "data", "dataset", "split", "image", "img", "picture", "pic", "photo", "file", "folder", "dir"],
        *["text", "daten", "bild", "bilder", "datensatz", "menge"],
    ]
)
GERMAN = re.compile(r"(training|train|test|validierung|validation)s?(daten|bilder|fotos|satz|datensatz|menge|ordner)")
LEFT_OVER = frozenset(
    [
        *["new", "unseen", "unknown", "unsorted", "unused", "unclassified", "other", "kaggle", "submission"],
        *["inference", "sample", "example", "demo", "external", "real", "wild", "query", "gallery"],
        *["neu", "neue", "unbekannt"],
    ]
)
GENERIC = FILLERS | {"raw", "all", "misc", "extra", "input", "original", "main", "root", "label", "annotation"}
ACCENTS = re.compile("[\u0300-\u036f]")
PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+")


class SplitFolder(NamedTuple):
    """What a folder's name says of its split.

    Args:
        use: the split, or that its samples have no labels.
        rest: the words beside, such as `seg` in `seg_train`.
    """

    use: Use
    rest: tuple[str, ...]


def split_of(name: str) -> SplitFolder | None:
    """Returns what a folder's name says of its split, as in `train`, `Training`, `test_set`, `valImages` or
    `seg_train`; `None` if it says nothing."""
    words = _words(name)
    uses = {WORDS[word] for word in words if word in WORDS}
    if uses == {"train", "val"}:
        uses = {"train"}  # of which a part is for validation
    if len(uses) != 1:
        return None
    return SplitFolder(uses.pop(), tuple(word for word in words if word not in WORDS and not _is_in(word, FILLERS)))


def is_plain_split(name: str) -> bool:
    """Tells whether a folder's name is a split and nothing else, as in `Training set`."""
    named = split_of(name)
    return named is not None and not named.rest


def says_nothing(name: str) -> bool:
    """Tells whether a folder's name is no class, but a word such as `images` or a split."""
    words = _words(name)
    return is_plain_split(name) or (bool(words) and all(_is_in(word, GENERIC) for word in words))


def is_left_over(name: str) -> bool:
    """Tells whether a folder beside the splits is called as one of samples to predict, such as `new` or `unseen`."""
    words = _words(name)
    return bool(words) and all(_is_in(word, LEFT_OVER | GENERIC) for word in words)


def class_key(name: str) -> str:
    """Returns a class's name as it is compared: in Unicode's composed form, without blanks around it."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def _words(name: str) -> list[str]:
    """Returns the words of a name in lower case, without numbers and accents; `trainset`, `Testdaten` and `held_out`
    are one word each."""
    bare = unicodedata.normalize("NFC", ACCENTS.sub("", unicodedata.normalize("NFD", name)))
    words = [word.casefold() for word in PARTS.findall(bare) if not word.isdigit()]
    words = [compound[1] if (compound := GERMAN.fullmatch(word)) else word for word in words]
    words = re.sub(r"\b(held|hold) out\b", "holdout", " ".join(words)).split()
    return [word.removesuffix("set") if word.removesuffix("set") in WORDS else word for word in words]


def _is_in(word: str, words: frozenset[str]) -> bool:
    """Tells whether a word is one of these, or its plural."""
    return word in words or word.removesuffix("s") in words
