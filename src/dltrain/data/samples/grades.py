"""Makes the sample table: generated students with their marks, and a grade by a noisy weighted total of these."""

from __future__ import annotations

import numpy as np

from dltrain.storage import csv_text

SAMPLE = "data/grades.csv"
DEFAULT_ROWS = 300
WEIGHTS = {"语文": 0.1, "数学": 0.2, "英语": 0.1, "物理": 0.1, "化学": 0.1, "平时成绩": 0.15, "答辩成绩": 0.25}
WITH_GAPS = ("物理", "平时成绩")
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN_NAMES = "伟芳娜敏静丽强磊军洋勇艳杰涛明超霞平刚玲桂华建国文辉玉兰红梅晨宇欣怡子涵思雨"
GRADES = (("优", 87.0), ("良", 79.0), ("中", 71.0), ("及格", 62.0), ("不及格", -np.inf))


def make_grades(rows: int = DEFAULT_ROWS, seed: int = 0) -> str:
    """Returns the sample as the text of a CSV file."""
    random = np.random.default_rng(seed)
    ability = random.normal(76, 8, size=(rows, 1))
    marks = np.clip(ability + random.normal(0, 7, size=(rows, len(WEIGHTS))), 0, 100)
    marks = np.where(np.array(list(WEIGHTS)) == "平时成绩", marks.round(1), marks.round())
    total = marks @ np.array(list(WEIGHTS.values())) + random.normal(0, 1.5, size=rows)
    absent = (random.random(marks.shape) < 0.02) & np.isin(list(WEIGHTS), WITH_GAPS)

    lines = []
    for row in range(rows):
        name = random.choice(list(SURNAMES)) + "".join(random.choice(list(GIVEN_NAMES), size=random.integers(1, 3)))
        cells = ["" if gone else f"{mark:g}" for mark, gone in zip(marks[row], absent[row], strict=True)]
        grade = next(grade for grade, least in GRADES if total[row] >= least)
        lines.append([name, 20230001 + row, *cells, grade])
    return csv_text(["姓名", "学号", *WEIGHTS, "等级"], lines)
