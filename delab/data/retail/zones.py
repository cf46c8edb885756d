"""Local time in the twelve countries during 2024 and 2025, from the rules themselves: no time zone library, no system files."""

import datetime as dt
from functools import cache

import numpy as np

from delab.data.retail.clock import HOUR
from delab.data.retail.places import COUNTRIES
from delab.data.rng import Ints

# half hours east of UTC in winter; the rule by which summer time adds two of them
STANDARD = {"US": -10, "DE": 2, "GB": 0, "FR": 2, "IN": 11, "JP": 18, "BR": -6, "PL": 2, "GR": 4, "EG": 4, "KR": 18, "UA": 4}
RULE = {"US": "US", "EG": "EG", **dict.fromkeys(("DE", "GB", "FR", "PL", "GR", "UA"), "EU")}
SUMMER = {  # from, to: UTC
    "US": (("2024-03-10 07:00", "2024-11-03 06:00"), ("2025-03-09 07:00", "2025-11-02 06:00")),
    "EU": (("2024-03-31 01:00", "2024-10-27 01:00"), ("2025-03-30 01:00", "2025-10-26 01:00")),
    "EG": (("2024-04-25 22:00", "2024-10-31 21:00"), ("2025-04-24 22:00", "2025-10-30 21:00")),
}


def micros(text: str) -> int:
    """µs since 1970 of a time in UTC."""
    return round(dt.datetime.fromisoformat(text + "+00:00").timestamp()) * 1_000_000


@cache
def spans() -> Ints:
    """Summer times by country, shape (countries, 2 years, from and to), µs; empty spans where there is none."""
    rules = [SUMMER.get(RULE.get(country.code, ""), (("2024-01-01", "2024-01-01"),) * 2) for country in COUNTRIES]
    return np.array([[[micros(end) for end in span] for span in rule] for rule in rules], np.int64)


def local_offset(country: Ints, at: Ints) -> Ints:
    """µs by which the clocks of each country are ahead of UTC at each time."""
    summer = sum((spans()[country, year, 0] <= at) & (at < spans()[country, year, 1]) for year in (0, 1))
    standard = np.array([STANDARD[place.code] for place in COUNTRIES], np.int64)
    return (standard[country] + 2 * np.asarray(summer, np.int64)) * (HOUR // 2)
