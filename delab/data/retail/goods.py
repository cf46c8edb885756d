"""Products with their changing prices and categories, promotions, exchange rates: small tables, kept in memory."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from delab.data.retail.clock import DAY, DAYS, SECOND, START
from delab.data.retail.places import COUNTRIES
from delab.data.rng import Draws, Ints, Weights, zipf

MOST = 4  # changes a product
MAX_PRODUCTS = 20_000
TAXONOMY = {
    "Grocery": ("Coffee", "Tea", "Pasta", "Olive oil", "Chocolate"),
    "Household": ("Cleaning", "Laundry", "Paper", "Storage", "Candles"),
    "Kitchen": ("Knives", "Pans", "Glasses", "Baking", "Appliances"),
    "Garden": ("Seeds", "Tools", "Pots", "Furniture", "Lighting"),
    "Clothing": ("Shirts", "Trousers", "Knitwear", "Shoes", "Socks"),
    "Sport": ("Running", "Cycling", "Climbing", "Swimming", "Yoga"),
    "Electronics": ("Audio", "Cables", "Lamps", "Chargers", "Cameras"),
    "Books": ("Novels", "Cooking", "Travel", "Children", "Science"),
}
DEPARTMENTS = tuple(TAXONOMY)
CATEGORIES = tuple(category for group in TAXONOMY.values() for category in group)
ADJECTIVES = (
    "Alpine",
    "Basic",
    "Bright",
    "Classic",
    "Daily",
    "Fine",
    "Large",
    "Light",
    "Noble",
    "Old",
    "Prime",
    "Pure",
    "Small",
    "Soft",
    "Solid",
    "Urban",
)


@dataclass(frozen=True)
class Products:
    """Every product at every version. Arrays of shape (count, MOST + 1) hold version v in column v - 1; unused ones are END or later."""

    since: Ints  # µs, from when the version holds
    price: Ints  # euro cents
    category: Ints  # 0..39; the department is category // 5
    versions: Ints  # shape (count,): how many there are
    popularity: Weights

    def __len__(self) -> int:
        return len(self.versions)

    def version_at(self, product: Ints, when: Ints) -> Ints:
        """The version (from 0) that holds at a time, one a row."""
        return sum((self.since[product, v] <= when).astype(np.int64) for v in range(1, MOST + 1)) + np.zeros(len(product), np.int64)


def product_count(scale: float) -> int:
    """Products at a scale: 200 + 100 √scale, in fours, at most 20,000."""
    return min(MAX_PRODUCTS, 200 + 4 * int(25 * float(np.sqrt(scale))))


def first_price(draws: Draws, k: Ints) -> Ints:
    """Euro cents: 99 to 25,599, as many in each doubling, ending in 9."""
    bits = draws.bits(k)
    octave = (bits >> np.uint64(61)).astype(np.int64)
    inside = (bits & np.uint64(0xFFFF)).astype(np.int64)
    return ((100 << octave) + (100 << octave) * inside // 65536) // 10 * 10 + 9


def other_price(price: Ints, percent: Ints) -> Ints:
    """About that percentage of the price, at least 99 cents, ending in 9, and never the same price again."""
    new = np.maximum(price * percent // 1000 * 10 + 9, 99)
    return np.where(new == price, price + 10, new)


@cache
def products(version: int, seed: int, count: int) -> Products:
    """The products of a seed; the first n are the same at every count."""
    draw = lambda column: Draws.of("retail", version, seed, "products", column)  # noqa: E731
    k = np.arange(count, dtype=np.int64)
    changes = draw("changes").pick(k, Weights.of((20, 30, 25, 15, 10)))
    since = np.full((count, MOST + 1), START - 365 * DAY, np.int64)
    price, category = np.empty_like(since), np.empty_like(since)
    price[:, 0] = first_price(draw("price"), k)
    category[:, 0] = k * 7 % len(CATEGORIES)
    for v in range(1, MOST + 1):
        happens = v <= changes
        share = DAYS // np.maximum(changes, 1)
        day = (v - 1) * share + draw("day").below(k * 8 + v, share)
        since[:, v] = np.where(happens, START + day * DAY + 6 * 3600 * SECOND, np.iinfo(np.int64).max)
        moves = draw("moves").chance(k * 8 + v, 0.2)
        price[:, v] = np.where(moves, price[:, v - 1], other_price(price[:, v - 1], 80 + draw("percent").below(k * 8 + v, 46)))
        category[:, v] = (category[:, v - 1] + moves * (1 + draw("to").below(k * 8 + v, len(CATEGORIES) - 1))) % len(CATEGORIES)
    return Products(since, price, category, changes + 1, zipf(count))


@dataclass(frozen=True)
class Promotions:
    """A promotion runs Monday to Sunday of every other week. `department` is -1 for all departments."""

    week: Ints
    department: Ints
    percent: Ints
    running: Ints  # by day of the two years: the promotion's position, or -1


@cache
def promotions(version: int, seed: int) -> Promotions:
    """The 52 promotions of a seed. The first day of the period is a Monday."""
    number = np.arange(DAYS // 14, dtype=np.int64)
    draw = Draws.of("retail", version, seed, "promotions", "what")
    department = draw.below(number, len(DEPARTMENTS) + 2) - 2
    percent = 5 + 5 * draw.below(number + 1000, 6)
    day = np.arange(DAYS, dtype=np.int64)
    running = np.where((day % 14 < 7) & (day // 14 < len(number)), day // 14, -1)
    return Promotions(number * 2, np.maximum(department, -1), percent, running)


CURRENCIES = tuple(dict.fromkeys(country.currency for country in COUNTRIES))
STEP = 4000  # the largest move of a day, in millionths


@cache
def exchange_rates(version: int, seed: int) -> Ints:
    """Millionths of a currency unit a euro, shape (DAYS, currencies): a slow walk round the list rate, exact for the euro."""
    listed = {country.currency: round(country.list_rate * 1_000_000) for country in COUNTRIES}
    rates = np.empty((DAYS, len(CURRENCIES)), np.int64)
    days = np.arange(DAYS, dtype=np.int64)
    for place, currency in enumerate(CURRENCIES):
        steps = Draws.of("retail", version, seed, "exchange_rates", currency).below(days, 2 * STEP + 1) - STEP
        walk = np.cumsum(steps) if currency != "EUR" else np.zeros(DAYS, np.int64)
        rates[:, place] = listed[currency] + listed[currency] * walk // 1_000_000
    return rates
