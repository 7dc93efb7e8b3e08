"""How the text of a table is to be read: what the user says, and `auto` for what is to be found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dltrain.errors import DataError

Header = Literal["auto", "first", "none"]
AUTO: Literal["auto"] = "auto"
NONE: Literal["none"] = "none"
BLANKS = "blanks"
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
QUOTE = '"'
DOUBLE_COLON, STAND_IN = "::", "\x1f"  # parsers know separators of one character, so that one stands for the two


@dataclass(frozen=True)
class TableFormat:
    """How a table is to be read, by the same keys as in `data=csv`.

    Args:
        encoding: a Python encoding name, or `auto`; for CSV.
        delimiter: one character, the name of one, `::`, `blanks` for any number of them, or `auto`; for CSV.
        header: `first` if the first line of the table names the columns, `none` if it is data, or `auto`.
        skip: the number of lines before the table, or `auto`; for CSV and Excel.
        comment: the character with which lines begin that are no rows, `none`, or `auto`, by which only lines above
            the table that begin with # or % are left out; for CSV.
        quote: the character around cells that hold a delimiter, `none`, or `auto` for a double one; for CSV.
        sheet: the name of a sheet or its number, counted from 1; None to find the one with the table; for Excel.
        points: whether decimal commas become points, for readers that know plain numbers only; for CSV.
    """

    encoding: str = AUTO
    delimiter: str = AUTO
    header: Header = AUTO
    skip: int | str = AUTO
    comment: str = AUTO
    quote: str = AUTO
    sheet: str | int | None = None
    points: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.skip, str) and self.skip != AUTO:
            if not self.skip.isdecimal():
                raise _refusal("skip", self.skip, "give the number of lines above the table, or auto")
            object.__setattr__(self, "skip", int(self.skip))
        if isinstance(self.skip, int) and self.skip < 0:
            raise _refusal("skip", str(self.skip), "give the number of lines above the table, or auto")
        for key, value in (("comment", self.comment), ("quote", self.quote)):
            if value not in (AUTO, NONE) and (len(value) != 1 or value.isalnum() or value.isspace()):
                raise _refusal(key, value, "give one character, or none, or auto")

    @property
    def separator(self) -> str | None:
        """Returns the character between fields, or `blanks`; None where it is to be found.

        Raises:
            DataError: `delimiter` is not one character.
        """
        if self.delimiter == AUTO:
            return None
        separator = DELIMITERS.get(self.delimiter, self.delimiter)
        if separator != BLANKS and (len(separator) != 1 or separator in '"\r\n'):
            raise _refusal(
                "delimiter",
                self.delimiter,
                f"give one character, {DOUBLE_COLON}, or one of {', '.join(DELIMITERS)}, {BLANKS}, or auto",
            )
        return separator

    @property
    def quote_mark(self) -> str:
        """Returns the character around cells; empty for none."""
        return {AUTO: QUOTE, NONE: ""}.get(self.quote, self.quote)


def _refusal(key: str, value: str, fix: str) -> DataError:
    return DataError(f"{value!r} is not a {key}", where=f"data.{key}", fix=fix, override=f"data.{key}={AUTO}")


def separator_words(separator: str) -> str:
    """Returns a separator in words."""
    if separator == BLANKS:
        return "blanks"
    if separator == STAND_IN:
        return repr(DOUBLE_COLON)
    name = next((name for name, character in DELIMITERS.items() if character == separator), "")
    return f"{name} ({separator!r})" if name else repr(separator)
