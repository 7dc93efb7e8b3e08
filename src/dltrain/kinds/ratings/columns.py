"""Finds the columns of users, items, ratings, times and titles in a table, by their names or, without, their cells."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from dltrain.data.cells import Cells, name_list, read_cells
from dltrain.data.column_names import pick_column, plain
from dltrain.errors import DataError
from dltrain.kinds.ratings.content import (
    are_articles,
    are_marks,
    is_count,
    is_determined,
    is_id,
    is_scale,
    is_short_scale,
    is_time,
)

Role = Literal["user", "item", "target", "time", "count"]
ROLES: tuple[Role, ...] = ("user", "item", "target", "time")  # that are looked for in every table

# The usual names of these columns, as `column_names.plain` spells them, the certain ones before the others.
PEOPLE = (
    "user|customer|reviewer|member|account|person|visitor|session|viewer|listener|reader|buyer|client|player|profile|"
    "student|learner|rater|consumer|subscriber"
)
THINGS = (
    "item|movie|film|book|product|anime|song|track|artist|album|business|game|joke|restaurant|recipe|course|article|"
    "news|video|show|series|episode|app|place|venue|poi|hotel|page|listing|sku|stock|content|podcast|beer|wine|exercise|"
    "post|offer|property|paper"
)
# The same in German, French, Spanish, Italian, Portuguese, Dutch, Polish, Russian, Turkish, Japanese and Korean.
PERSON = (
    "benutzer|nutzer|kunde|kundin|mitglied|utilisateur|client|membre|usuario|cliente|miembro|utente|usuário|utilizador|"
    "gebruiker|klant|użytkownik|klient|пользователь|клиент|читатель|зритель|kullanıcı|müşteri|ユーザー?|顧客|会員|"
    "사용자|고객|회원"
)
THING = (
    "artikel|produkt|buch|titel|lied|spiel|produit|livre|article|chanson|jeu|película|pelicula|libro|producto|artículo|"
    "canción|juego|prodotto|articolo|gioco|filme|livro|produto|jogo|boek|product|książka|фильм|книга|товар|предмет|игра|"
    "ürün|kitap|商品|映画|作品|アイテム|本|상품|영화|책|제품"
)
MARK = (
    "vote|bewertung|note|sterne|punkte|wertung|évaluation|evaluation|étoiles|puntuación|puntuacion|valoración|valoracion|"
    "calificación|calificacion|nota|estrellas|voto|valutazione|punteggio|avaliação|avaliacao|classificação|beoordeling|"
    "cijfer|ocena|оценка|рейтинг|балл|puan|değerlendirme|評価|点数|スコア|평점|점수|별점"
)
MOMENT = (
    "datum|zeit|zeitstempel|date|heure|fecha|hora|data|ora|tijd|czas|дата|время|tarih|zaman|日時|日付|時刻|날짜|시간"
)
NUMBERED = "(id|nr|no|kod|code|número|numero|nummer|番号|번호|コード|코드)?"
USER = (
    rf"({PEOPLE})(id|index|no|number|code)|uid|(用户|会员)(id|编号)",
    rf"({PEOPLE})s?(name)?|用户名?|会员|用户名",
    rf"(id)?({PERSON}){NUMBERED}",
)
ITEM = (
    rf"(parent)?({THINGS})(id|index|no|number|code)|iid|isbn|asin|(物品|电影|商品|图书|项目|课程)(id|编号)",
    rf"({THINGS})s?|物品|电影|商品|图书|项目|课程",
    rf"(id)?({THING}){NUMBERED}",
)
NAMES: Mapping[Role, tuple[str, ...]] = {
    "user": USER,
    "item": ITEM,
    "target": (
        rf"(my|user|overall|{THINGS})?ratings?|评分|打分",
        rf"(my|user|overall|{THINGS})?(score|star)s?|overall|grade|得分|分数",
        MARK,
    ),
    "time": (
        r"(unix)?(review|rating|event)?timestamp|unix(review|rating)?time|ts|时间戳",
        r"(review|rating|event)?(datetime|date|time)|(created|rated)(at|on)|时间|日期",
        rf"{MOMENT}|created|watched|played|.*(date|time|timestamp)",
    ),
}
TITLE = rf"({THINGS})?(title|name)|标题|片名|名称|书名|(电影|商品|图书|课程)(名|名称)"
MANY_ZEROS = 0.05  # share of counts, from which on they may say what was not chosen
MOST_COLUMNS = 12  # of a table with a row for each pair
TYPED = re.compile(r"(.+):(token|float|token_seq|float_seq)")  # as RecBole writes names
ACTS = "play|view|click|listen|watch|visit|stream|download|purchase|order|event|interaction"
COUNTS = (
    rf"quantity|qty|({ACTS})?counts?|({ACTS})e?s|times|menge|anzahl|cantidad|quantité|quantità"  # a name's last word
)
BEFORE_COUNTS = rf"n|num|nr|number|of|total|user|({ACTS}|{THINGS})s?"  # words before it, where a 0 may say "not chosen"
PRICES = "discount|price|amount|cost|fee|tax|rabatt|preis|prix|remise|precio|descuento"  # last words of no counts
UNNAMED = re.compile(r"column_\d+")
ID = re.compile(
    r".*(id|code|index|number|no|hour|day|week|weekday|month|year)"
)  # names of columns that hold no ratings


@dataclass(frozen=True)
class Found:
    """The columns of a table of ratings.

    Args:
        columns: the name of the column of each role; without `target` or `time` if there is none.
        notes: how they were found, if not by their names.
    """

    columns: dict[Role, str]
    notes: tuple[str, ...] = ()


def with_plain_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns a table without the types in its names: `user_id` for `user_id:token`."""
    names = [str(name).strip() for name in frame.columns]
    typed = [TYPED.fullmatch(name) for name in names]
    plain_names = [match[1] if match else name for match, name in zip(typed, names, strict=True)]
    return frame.set_axis(plain_names if all(typed) and len(set(plain_names)) == len(names) else names, axis="columns")


def find_columns(frame: pd.DataFrame, named: Mapping[Role, str | None]) -> Found:
    """Returns the column of each role.

    Args:
        frame: the table.
        named: the column of each role that the user has given.

    Raises:
        DataError: a given column does not exist, or no column is certain to hold users or items.
    """
    columns: dict[Role, str] = {role: name for role, name in named.items() if name is not None}
    for given_role, given in columns.items():
        pick_column(frame, given_role, given, "")
    if all(map(UNNAMED.fullmatch, frame.columns)) and frame.shape[1] > 1:
        return _by_cells(frame, columns)
    for role in ROLES:
        if role not in columns and (name := find_role(frame, role, columns.values(), columns)):
            columns[role] = name
    if "user" not in columns or "item" not in columns:
        raise _missing(frame, columns)
    return Found({role: columns[role] for role in ROLES if role in columns})


def find_role(
    frame: pd.DataFrame, role: Role, taken: Collection[str], found: Mapping[Role, str] | None = None
) -> str | None:
    """Returns the column that has a usual name of a role; `None` for none.

    A less usual name of ratings or times, such as `note` or `release_date`, is one where the cells are too, and are not
    the same for all rows of a user or an item.

    Args:
        frame: the table.
        role: the role.
        taken: columns that have another role.
        found: the columns of users and items, where these are known.
    """
    *usual, other = NAMES[role]
    names = (pick_column(frame, role, None, pattern, taken) for pattern in usual)
    return next(filter(None, names), None) or _by_other_name(frame, role, other, taken, found or {})


def _by_other_name(
    frame: pd.DataFrame, role: Role, names: str, taken: Collection[str], found: Mapping[Role, str]
) -> str | None:
    fits = {"target": is_scale, "time": is_time}.get(role)
    column = pick_column(frame, role, None, names, taken)
    if column is None or fits is None:
        return column
    owners = [found[other] for other in ROLES[:2] if other in found]
    if fits(read_cells(frame[column])) and not any(is_determined(frame, column, owner) for owner in owners):
        return column
    return _by_other_name(frame, role, names, [*taken, column], found)


def _by_cells(frame: pd.DataFrame, columns: Mapping[Role, str]) -> Found:
    """Returns the columns of a table without names: users come before items, and cells tell ratings from times."""
    found: dict[Role, str] = dict(columns)
    cells = {name: read_cells(frame[name]) for name in frame.columns if name not in columns.values()}
    time = _find_time(cells)
    ids = [name for name in cells if name != time]
    short = [name for name in ids if is_short_scale(cells[name])]
    if len(ids) > 2 and len(short) == 1 and short[0] in ids[:2]:
        ids = [*(name for name in ids if name != short[0]), short[0]]  # the rating comes first or between
    if len(ids) > 1 and are_articles(cells[ids[0]]) and not are_articles(cells[ids[1]]):
        ids[:2] = ids[1::-1]  # the item comes first
    for role in ROLES[:2]:
        if role not in found and ids:
            found[role] = ids.pop(0)
    if "user" not in found or "item" not in found:
        raise _missing(frame, found)
    if "time" not in found and time is not None:
        found["time"] = time
    scales = [name for name in ids if name not in found.values() and is_scale(cells[name])]
    if "target" not in found and scales:
        found["target"] = short[0] if len(short) == 1 and short[0] in scales else scales[0]
    ordered = {role: found[role] for role in ROLES if role in found}
    roles = ", ".join(f"{role} {name}" for role, name in ordered.items() if role not in columns)
    keys = ", ".join(f"data.{role}" for role in ordered if role not in columns)
    return Found(ordered, (f"by their order and their cells: {roles} (choose others with {keys})",) if roles else ())


def _find_time(cells: Mapping[str, Cells]) -> str | None:
    """Returns the column of times: of several, one of dates, else the one of most values, as others may be ids."""
    times = [name for name, column in cells.items() if is_time(column)]
    return max(times, key=lambda name: (not cells[name].all_numbers, len(cells[name].values)), default=None)


def _missing(frame: pd.DataFrame, columns: Mapping[Role, str]) -> DataError:
    """Returns the error of a table without a column of users or items, with those that may be it."""
    role: Role = "user" if "user" not in columns else "item"
    cells = {name: read_cells(frame[name]) for name in frame.columns if name not in columns.values()}
    ids = sorted((name for name in cells if is_id(cells[name])), key=lambda name: is_short_scale(cells[name]))
    needed = [other for other in ROLES[:2] if other not in columns]
    named = find_role(frame, "item", list(columns.values())) if role == "user" else None
    if named is not None and named in ids:
        ids.remove(named)
        needed.remove("item")
    items = columns.get("item") or named
    if role == "user" and items is not None and frame[items].is_unique:
        return DataError(
            f"each {items} is in one row alone, and no column looks like the users",
            where="data.path",
            fix="give the ratings of several users; those of one alone are learned from as a table, with data=csv",
        )
    chosen = dict(zip(needed, ids, strict=False)) if len(ids) >= len(needed) else {}
    if frame.shape[1] > MOST_COLUMNS and sum(column.all_numbers for column in cells.values()) > MOST_COLUMNS:
        return DataError(
            f"no column looks like the {role}s",
            where=f"data.{role}",
            fix="name one, or if each row is a user and each column an item, say so",
            override="data.layout=users_in_rows",
        )
    return DataError(
        f"no column looks like the {role}s" if len(ids) > 0 else f"no column can name {role}s: none repeats its values",
        where=f"data.{role}",
        fix=f"name one of {name_list(ids)}" if ids else "give a row for each rating, of a user and an item",
        override=" ".join(f"data.{needed_role}={name}" for needed_role, name in chosen.items()),
    )


def may_be_ratings(frame: pd.DataFrame, columns: Mapping[Role, str]) -> list[str]:
    """Returns the columns of a few levels of numbers, which may be ratings under another name."""
    others = {name: read_cells(frame[name]) for name in of_both(frame, columns)}
    scales = [name for name, cells in others.items() if is_short_scale(cells) and len(cells.values) > 2]
    return [name for name in scales if not re.fullmatch(f"{COUNTS}|{PRICES}", _words(name)[-1])]


def may_mark_choices(frame: pd.DataFrame, columns: Mapping[Role, str], *, counted: bool) -> list[str]:
    """Returns the columns of two values, such as 0 and 1, which may say whether an item was chosen, and of counts among
    which some are 0.

    Other counts, such as `comment_count`, and amounts, such as `discount`, are properties of a choice.

    Args:
        frame: the table.
        columns: the name of the column of each role.
        counted: whether it is known already what counts choices, so that no count is asked about.
    """
    cells = {name: read_cells(frame[name]) for name in of_both(frame, columns)}
    return [
        name
        for name, each in cells.items()
        if are_marks(each) or (not counted and _counts_choices(name) and _counts(name, each) and _has_zeros(each))
    ]


def _counts_choices(name: str) -> bool:
    """Tells whether a column's name, or that it has none, lets it count how often a user chose an item."""
    *before, last = _words(name)
    named = re.fullmatch(COUNTS, last) and all(re.fullmatch(BEFORE_COUNTS, word) for word in before)
    return bool(named or UNNAMED.fullmatch(name))


def _words(name: str) -> list[str]:
    """Returns the words of a column's name in lower case, at least one: `playCount` and `play_count` have two."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return re.findall(r"[^\W\d_]+", apart.casefold()) or [""]


def _has_zeros(cells: Cells) -> bool:
    return bool(cells.counts[cells.numbers == 0].sum() >= MANY_ZEROS * cells.present)


def counts_of(frame: pd.DataFrame, columns: Mapping[Role, str]) -> dict[str, Cells]:
    """Returns the columns of counts, such as how often a song was played."""
    others = {name: read_cells(frame[name]) for name in of_both(frame, columns)}
    return {name: cells for name, cells in others.items() if _counts(name, cells)}


def _counts(name: str, cells: Cells) -> bool:
    """Tells whether a column holds counts, by its cells or by its name."""
    last = _words(name)[-1]
    if re.fullmatch(PRICES, last):
        return False
    small = bool(re.fullmatch(COUNTS, last)) and cells.all_numbers and len(cells.values) > 1
    return is_count(cells) or (small and float(cells.numbers.min()) >= 0)


def of_both(frame: pd.DataFrame, columns: Mapping[Role, str]) -> list[str]:
    """Returns the columns without a role that are called like no id, and say more than what a user or an item is."""
    return [
        name
        for name in map(str, frame.columns)
        if name not in columns.values()
        and not ID.fullmatch(plain(name))
        and not any(is_determined(frame, name, columns[role]) for role in ROLES[:2] if role in columns)
    ]


def check_ratings(frame: pd.DataFrame, columns: Mapping[Role, str]) -> None:
    """Checks that ratings are not the same in all rows of an item, or of a user.

    Raises:
        DataError: they are, so that the column holds a property of one of them, such as an item's mean rating.
    """
    target = columns["target"]
    if len(read_cells(frame[target]).values) < 2:
        return
    for role in ROLES[:2]:
        if is_determined(frame, target, columns[role]):
            raise DataError(
                f"{target} is the same in all rows of each {columns[role]}: it is no rating of an item by a user",
                where="data.target",
                fix="name another column, or learn which items users choose",
                override="data.split=leave_last",
                replaces="data.split",
            )


def find_titles(frame: pd.DataFrame, path: str, item: str, items: Collection[str]) -> tuple[str, str]:
    """Returns the names of the columns of items and of their titles.

    Args:
        frame: a table of items.
        path: the path of its file.
        item: the name of the column of items in the table of ratings.
        items: the ids of the items that are rated.

    Raises:
        DataError: the table has no such columns.
    """
    ids = find_ids(frame, path, item, items, "data.titles")
    title = pick_column(frame, "titles", None, TITLE, [ids])
    if title is None:
        texts = {name: read_cells(frame[name]) for name in frame.columns if name != ids}
        distinct = {name: len(cells.values) for name, cells in texts.items() if not cells.all_numbers}
        title = max(distinct, key=distinct.__getitem__) if distinct else None
    if title is None:
        raise DataError(
            f"{path} has no columns of items and titles: {name_list(frame.columns)}",
            where="data.titles",
            fix="name them item and title",
            override="data.titles=null",
        )
    return ids, title


def find_ids(
    frame: pd.DataFrame, path: str, item: str, items: Collection[str], key: str, role: Literal["item", "user"] = "item"
) -> str:
    """Returns the name of the column of ids in a table of items, or of users.

    Args:
        frame: the table.
        path: the path of its file.
        item: the name of the column of items, or of users, in the table of ratings.
        items: the ids in that column.
        key: of the config that names the file.
        role: whether it is a table of items or of users.

    Raises:
        DataError: no column holds such ids.
    """
    known = set(items)
    shares = {str(name): _share(frame, name, known) for name in frame.columns}
    by_name = [rf"{re.escape(plain(item))}", *NAMES[role], "id"]
    named = next(filter(None, (pick_column(frame, "titles", None, names) for names in by_name)), None)
    ids = named if named is not None and shares[named] else max(shares, key=shares.__getitem__)
    if not shares[ids]:
        raise DataError(
            f"no column of {path} holds ids of the {role}s: {name_list(frame.columns)}",
            where=key,
            fix=f"give one with ids as in the column {item}",
            override=f"{key}=null",
        )
    return ids


def _share(frame: pd.DataFrame, name: str, items: Collection[str]) -> float:
    """Returns the share of a column's values that are ids of items."""
    values: Sequence[str] = read_cells(frame[name]).values
    return sum(value in items for value in values) / max(1, len(values))
