"""Units of one quantity, and how much of each other they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping

# The size of each unit by its key, as `unit_key` returns it; those of a line measure one quantity.
QUANTITIES: tuple[Mapping[str, float], ...] = (
    {"mg": 1e-3, "g": 1, "gram": 1, "kg": 1e3, "kgs": 1e3, "kilogram": 1e3, "t": 1e6,
     "lb": 453.59237, "pound": 453.59237, "oz": 28.349523125, "ounce": 28.349523125,
     "克": 1, "千克": 1e3, "公斤": 1e3, "斤": 500, "吨": 1e6},
    {"mm": 1e-3, "cm": 1e-2, "m": 1, "meter": 1, "metre": 1, "km": 1e3, "in": 0.0254, "inch": 0.0254, "ft": 0.3048,
     "feet": 0.3048, "foot": 0.3048, "yd": 0.9144, "mi": 1609.344, "mile": 1609.344,
     "厘米": 1e-2, "米": 1, "公里": 1e3},
    {"ml": 1e-3, "mL": 1e-3, "cl": 1e-2, "dl": 0.1, "l": 1, "L": 1, "liter": 1, "litre": 1, "毫升": 1e-3, "升": 1},
    {"KB": 1e3, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12},
    {"Hz": 1, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9},
    {"W": 1, "kW": 1e3, "MW": 1e6},
    {"Wh": 1, "kWh": 1e3, "MWh": 1e6},
    {"sqm": 1, "m2": 1, "sqft": 0.09290304, "ft2": 0.09290304, "平方米": 1, "亩": 2000 / 3},
)  # fmt: skip


def sizes_of(unit: str, others: Collection[str]) -> Mapping[str, float] | None:
    """Returns how much of a unit one of each other is; None if they do not all measure one quantity.

    Args:
        unit: its key.
        others: their keys.
    """
    sizes = next((sizes for sizes in QUANTITIES if unit in sizes and all(other in sizes for other in others)), None)
    return None if sizes is None else {other: sizes[other] / sizes[unit] for other in others}
