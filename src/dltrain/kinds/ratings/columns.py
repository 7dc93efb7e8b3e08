"""Finds the columns of users, items, ratings, times and titles in a table, by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import pandas as pd

from dltrain.data.cells import name_list
from dltrain.data.column_names import pick_column, plain, required
from dltrain.data.table_format import Header
from dltrain.errors import DataError

Role = Literal["user", "item", "target", "time"]

# The usual names of these columns, as `column_names.plain` spells them.
THINGS = "item|movie|film|book|product|anime|song|track|artist|business|game|joke|restaurant|recipe|course"
ITEM = rf"({THINGS})(id|index)?|iid|isbn|asin|(物品|电影|商品|图书|项目|课程)(id|编号)?"
NAMES: Mapping[Role, str] = {
    "user": r"(user|customer|reviewer|member|account|person)(id|name|index)?|uid|(用户|会员)(id|编号|名)?",
    "item": ITEM,
    "target": rf"(user|{THINGS})?(rating|score|star)s?|overall|grade|评分|打分|得分|分数",
    "time": r"(unix)?(review|rating)?(timestamp|datetime|date|time)|(created|rated)(at|on)|时间|时间戳|日期",
}
TITLE = rf"({THINGS})?(title|name)|标题|片名|名称|书名|(电影|商品|图书|课程)(名|名称)"


def find_columns(frame: pd.DataFrame, named: Mapping[Role, str | None], header: Header) -> dict[Role, str]:
    """Returns the name of the column of each role; leaves out `time` and `target` if there is none.

    Args:
        frame: the table.
        named: the column of each role that the user has given, in the order of NAMES.
        header: `none` if the columns follow an order: user, item, rating and perhaps time.

    Raises:
        DataError: a given column does not exist, or no column looks like users or items.
    """
    if header == "none" and not any(named.values()) and frame.shape[1] in (2, 3, 4):
        return dict(zip(NAMES, map(str, frame.columns), strict=False))
    columns: dict[Role, str] = {role: name for role, name in named.items() if name is not None}
    for role, pattern in NAMES.items():
        others = [column for other, column in columns.items() if other != role]
        column = pick_column(frame, role, named[role], pattern, others)
        if role in ("user", "item") or column is not None:
            columns[role] = required(frame, role, column, others)
    return {role: columns[role] for role in NAMES if role in columns}


def find_titles(frame: pd.DataFrame, path: str, item: str) -> tuple[str, str]:
    """Returns the names of the columns of items and of their titles.

    Args:
        frame: a table of items.
        path: the path of its file.
        item: the name of the column of items in the table of ratings.

    Raises:
        DataError: the table has no such columns.
    """
    try:
        items = pick_column(frame, "titles", None, rf"{re.escape(plain(item))}|{ITEM}|id")
        items = required(frame, "titles", items)
        return items, required(frame, "titles", pick_column(frame, "titles", None, TITLE, [items]), [items])
    except DataError as error:
        raise DataError(
            f"{path} has no columns of items and titles: {name_list(frame.columns)}",
            where="data.titles",
            fix="name them item and title",
            override="data.titles=null",
        ) from error
