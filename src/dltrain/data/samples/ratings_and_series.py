"""Generates ratings and series with known structure."""

from __future__ import annotations

import numpy as np
import pandas as pd


def generate_ratings(rows: int, seed: int, rank: int = 4) -> pd.DataFrame:
    """Returns ratings of 1 to 5 stars: a mean, biases, a product of `rank` tastes, and noise; few items get most."""
    rng = np.random.default_rng(seed)
    users, items = round(3 * rows**0.5), round(4 * rows**0.5)
    activity, popularity = rng.lognormal(0, 0.8, users), 1 / np.arange(1, items + 1) ** 0.7
    chances = np.outer(activity / activity.sum(), popularity / popularity.sum()).ravel()
    user, item = np.divmod(rng.choice(users * items, rows, replace=False, p=chances / chances.sum()), items)
    tastes = rng.normal(0, 0.7 / rank**0.25, (users, rank)), rng.normal(0, 1.0 / rank**0.25, (items, rank))
    bias = rng.normal(0, 0.4, users)[user] + rng.normal(0, 0.4, items)[item]
    exact = 3.6 + bias + (tastes[0][user] * tastes[1][item]).sum(axis=1) + rng.normal(0, 0.6, len(user))
    return pd.DataFrame(
        {
            "user": [f"u{number + 1}" for number in user],
            "item": [f"i{number + 1}" for number in item],
            "rating": np.clip(np.round(exact), 1, 5),
            "timestamp": 1_600_000_000 + np.arange(len(user)) * 600,
        }
    )


def generate_series(rows: int, seed: int) -> pd.DataFrame:
    """Returns hourly values with a trend, a daily and a weekly season, and autocorrelated noise."""
    rng = np.random.default_rng(seed)
    hours = np.arange(rows)
    noise, shocks = np.zeros(rows), rng.normal(0, 1.0, rows)
    for hour in range(1, rows):
        noise[hour] = 0.7 * noise[hour - 1] + shocks[hour]
    day = 6 * np.sin(2 * np.pi * hours / 24) + 2 * np.sin(4 * np.pi * hours / 24 + 1)
    week = 4 * np.cos(2 * np.pi * hours / 168)
    values = 50 + 0.01 * hours + day + week + noise
    times = pd.date_range("2026-01-01", periods=rows, freq="h").strftime("%Y-%m-%d %H:%M")
    return pd.DataFrame({"time": times, "value": values.round(3)})
