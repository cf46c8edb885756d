"""Products with their changing prices and categories, promotions, exchange rates: small tables, kept in memory."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from delab.data.retail.clock import DAY, DAYS, HOUR, START
from delab.data.retail.places import COUNTRIES
from delab.data.rng import Draws, Ints, Weights, zipf

CHANGE_HOUR = 6 * HOUR  # when a price or category changes
MOST = 4  # changes a product
CHANGES = Weights.of((20, 30, 25, 15, 10))
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
    """Every product at every version: arrays of shape (count, MOST + 1) hold version v in column v - 1."""

    since: Ints  # µs, from when the version holds; the largest integer for one that there is not
    price: Ints  # euro cents
    category: Ints  # 0..39; the department is category // 5
    versions: Ints  # shape (count,): how many there are
    popularity: Weights

    def __len__(self) -> int:
        return len(self.versions)

    @property
    def width(self) -> int:
        """Versions a product has room for."""
        return MOST + 1

    @cached_property
    def by_day(self) -> NDArray[np.uint8]:
        """The version (from 0) after the change of each day, flat: product * (DAYS + 1) + 1 + day; first, that of before day 0."""
        ends = START + CHANGE_HOUR + DAY * np.arange(-1, DAYS, dtype=np.int64)
        versions = np.zeros((len(self), DAYS + 1), np.uint8)
        for v in range(1, self.width):
            versions += self.since[:, v, None] <= ends
        return versions.ravel()


def product_count(scale: float) -> int:
    """Products at a scale: 200 + 100 √scale, in fours, at most 20,000."""
    return min(MAX_PRODUCTS, 200 + 4 * int(25 * float(np.sqrt(scale))))


def first_price(draws: Draws, k: Ints) -> Ints:
    """Euro cents: 99 to 25,599, as many in each doubling, ending in 9."""
    bits = draws.bits(k)
    octave = (bits >> np.uint64(61)).astype(np.int64)
    inside = (bits & np.uint64(0xFFFF)).astype(np.int64)
    cents: Ints = ((100 << octave) + (100 << octave) * inside // 65536) // 10 * 10 + 9
    return cents


def draw(version: int, seed: int, column: str) -> Draws:
    """A random column of the products."""
    return Draws.of("retail", version, seed, "products", column)


def other_price(price: Ints, percent: Ints) -> Ints:
    """About that percentage of the price, at least 99 cents, ending in 9, and never the same price again."""
    new = np.maximum(price * percent // 1000 * 10 + 9, 99)
    other: Ints = np.where(new == price, price + 10, new)
    return other


def next_since(version: int, seed: int, changes: Ints, v: int) -> Ints:
    """When change v happens: at six on a day in its own share of the two years; the largest integer if it does not."""
    k = np.arange(len(changes), dtype=np.int64)
    share = DAYS // np.maximum(changes, 1)
    day = (v - 1) * share + draw(version, seed, "day").below(k * 8 + v, share)
    return np.where(v <= changes, START + day * DAY + CHANGE_HOUR, np.iinfo(np.int64).max)


def next_price_and_category(version: int, seed: int, price: Ints, category: Ints, v: int) -> tuple[Ints, Ints]:
    """One in five changes moves the product to another category, the others give it another price."""
    row = np.arange(len(price), dtype=np.int64) * 8 + v
    moves = draw(version, seed, "moves").chance(row, 0.2)
    step = 1 + draw(version, seed, "to").below(row, len(CATEGORIES) - 1)
    cheaper = other_price(price, 80 + draw(version, seed, "percent").below(row, 46))
    return np.where(moves, price, cheaper), (category + moves * step) % len(CATEGORIES)


@cache
def products(version: int, seed: int, count: int) -> Products:
    """The products of a seed; the first n are the same at every count."""
    k = np.arange(count, dtype=np.int64)
    changes = draw(version, seed, "changes").pick(k, CHANGES)
    since = [np.full(count, START - 365 * DAY, np.int64)]
    price, category = [first_price(draw(version, seed, "price"), k)], [k * 7 % len(CATEGORIES)]
    for v in range(1, MOST + 1):
        since.append(next_since(version, seed, changes, v))
        new_price, new_category = next_price_and_category(version, seed, price[-1], category[-1], v)
        price.append(new_price)
        category.append(new_category)
    return Products(np.stack(since, 1), np.stack(price, 1), np.stack(category, 1), changes + 1, zipf(count))


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
