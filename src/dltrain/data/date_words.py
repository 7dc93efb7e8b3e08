"""The words in dates: months and weekdays in English, German, French and Spanish, and zones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

_MONTH_NAMES = (
    "january february march april may june july august september october november december",
    "januar februar märz april mai juni juli august september oktober november dezember",
    "jänner feber maerz april mai juni juli august september oktober november dezember",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
)
_WEEKDAY_NAMES = (
    "monday tuesday wednesday thursday friday saturday sunday mo di mi do fr sa so",
    "montag dienstag mittwoch donnerstag freitag samstag sonntag sonnabend",
    "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "lunes martes miércoles miercoles jueves viernes sábado sabado domingo",
)
SHORTEST = 3  # letters of an abbreviation


def _abbreviations(numbered: Iterable[tuple[int, str]]) -> Mapping[str, int]:
    """Returns the number of every beginning of a name that can be no other number's."""
    numbers = defaultdict(set)
    for number, name in numbered:
        for length in range(SHORTEST, max(len(name), SHORTEST) + 1):
            numbers[name[:length]].add(number)
    return {short: of_one.pop() for short, of_one in numbers.items() if len(of_one) == 1}


MONTHS = {
    **_abbreviations((number, name) for names in _MONTH_NAMES for number, name in enumerate(names.split(), 1)),
    "mrz": 3,
    "setiembre": 9,
}
WEEKDAYS = (
    frozenset(_abbreviations((0, name) for names in _WEEKDAY_NAMES for name in names.split())) - MONTHS.keys()
)  # mar. is a month before it is mardi
FILLERS = frozenset({"de", "del", "of", "the", "st", "nd", "rd", "th", "er", "den", "der", "le", "el", "at", "um"})
QUARTERS = frozenset({"q", "qtr", "quarter", "quartal", "季度", "第", "年第"})
WEEKS = frozenset({"w", "wk", "week", "kw", "cw"})
EUROPE = {"wet": 0, "west": 60, "cet": 60, "cest": 120, "eet": 120, "eest": 180}
OVERSEAS = {"est": -300, "edt": -240, "cdt": -300, "mdt": -360, "pst": -480, "pdt": -420, "jst": 540}
# Minutes ahead of UTC, without the zones of several countries, such as CST and IST.
ZONES = {"": 0, "z": 0, "utc": 0, "gmt": 0} | EUROPE | OVERSEAS
