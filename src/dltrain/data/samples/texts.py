"""Generates texts: short reviews with labels, and rhymed Chinese verse."""

from __future__ import annotations

import numpy as np

THINGS = [
    "film", "story", "plot", "cast", "music", "ending", "dialogue", "camera work", "script", "lead actor", "pace",
    "first half", "last scene", "villain", "soundtrack", "humour",
]  # fmt: skip
GOOD = [
    "good", "moving", "clever", "funny", "beautiful", "gripping", "fresh", "warm", "brilliant", "charming", "sharp",
    "honest", "delightful", "rich",
]  # fmt: skip
BAD = [
    "bad", "dull", "clumsy", "tired", "ugly", "slow", "stale", "cold", "awful", "annoying", "shallow", "fake",
    "tedious", "thin",
]  # fmt: skip
DEGREES = [("very", 2), ("really", 2), ("truly", 2), ("rather", 1), ("quite", 1), ("a little", 1)]
OPENINGS = ["", "", "", "honestly , ", "for me ", "on the whole ", "i must say ", "in the end "]
LINKS = [" , but ", " although ", " , yet "]
NEUTRAL = [
    "i saw it on a rainy evening .", "it runs for two hours .", "the cinema was half empty .", "my sister came along .",
    "it is based on a book .", "they shot it in spain .",
]  # fmt: skip

RHYMES = {
    "ang": ["光", "霜", "乡", "香", "长", "凉", "江", "窗", "茫", "裳"],
    "an": ["山", "寒", "船", "烟", "天", "边", "年", "前", "泉", "莲"],
    "ing": ["明", "星", "声", "清", "青", "情", "行", "亭", "莺", "庭"],
    "ou": ["秋", "楼", "舟", "流", "愁", "洲", "头", "收", "柳", "酒"],
}
SCENES = [
    "春风",
    "明月",
    "白云",
    "孤舟",
    "青山",
    "寒梅",
    "落花",
    "秋雨",
    "远树",
    "飞鸟",
    "古寺",
    "流水",
    "晚霞",
    "江雪",
]
DEEDS = ["入", "照", "过", "绕", "满", "随", "隔", "落", "依", "映"]
PLACES = ["小", "空", "旧", "高", "深", "南", "西", "故", "寒", "清"]


def write_reviews(rows: int, seed: int) -> tuple[list[str], list[str]]:
    """Returns short reviews and their labels, `positive` or `negative`.

    Both labels use the same words: "not good" and "good , but very dull" are negative, so negations, degrees and the
    word "but" decide.
    """
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    labels: list[str] = []
    while len(texts) < rows:
        first, judged = _claim(rng)
        text, total = rng.choice(OPENINGS) + first, judged
        if rng.random() < 0.6:
            other, judged = _claim(rng)
            contrast = rng.random() < 0.5
            text += (rng.choice(LINKS) if contrast else " and ") + other
            total += judged
        text += " ."
        if rng.random() < 0.3:
            text = f"{rng.choice(NEUTRAL)} {text}"
        if total:  # a review whose parts balance has no label
            texts.append(text)
            labels.append("positive" if total > 0 else "negative")
    return texts, labels


def _claim(rng: np.random.Generator) -> tuple[str, int]:
    """Returns a statement about one thing, and its value: positive where it praises, larger with a degree."""
    praises = rng.random() < 0.5
    word = rng.choice(GOOD if praises else BAD)
    value = 1 if praises else -1
    text = f"the {rng.choice(THINGS)} is "
    kind = rng.random()
    if kind < 0.3:
        text += rng.choice(["not ", "never ", "hardly ", "anything but "])
        value = -value
    elif kind < 0.6:
        degree, weight = DEGREES[rng.integers(len(DEGREES))]
        text, value = f"{text}{degree} ", value * weight
    return text + str(word), value


def write_verse(poems: int, seed: int) -> list[str]:
    """Returns poems of four lines of five characters; the first, second and fourth line rhyme."""
    rng = np.random.default_rng(seed)
    written = []
    for _ in range(poems):
        endings = rng.permutation(RHYMES[rng.choice(list(RHYMES))])
        lines = [_line(rng, str(endings[0])), _line(rng, str(endings[1])), "", _line(rng, str(endings[2]))]
        lines[2] = _line(rng, str(rng.choice(RHYMES[rng.choice(list(RHYMES))])))
        written.append(f"{lines[0]}，{lines[1]}。\n{lines[2]}，{lines[3]}。\n")
    return written


def _line(rng: np.random.Generator, ending: str) -> str:
    """Returns a line of five characters with that ending."""
    return f"{rng.choice(SCENES)}{rng.choice(DEEDS)}{rng.choice(PLACES)}{ending}"
