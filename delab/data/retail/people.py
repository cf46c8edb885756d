"""Customers and what changes about them: 50 customers are one pattern of countries, so country c's customers can be drawn directly.

Customer number k (id k + 1) is the k % 50-th of pattern k // 50. Those with even k registered before 2024; an odd one that has
not yet registered at some time can be replaced by k - 1, of the same country, who has.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from delab.data.retail.clock import DAY, END, SECOND, START
from delab.data.retail.places import CITIES, COUNTRIES
from delab.data.rng import Draws, Ints, Weights

PATTERN = 50
SEGMENTS = ("consumer", "family", "small business", "corporate")
SEGMENT_WEIGHTS = Weights.of((60, 25, 11, 4))
CHANGES = Weights.of((50, 27, 15, 8))  # how many changes a customer sees: 0..3
MOST = 3
MOVES, UPGRADES, BOTH = 0, 1, 2
KINDS = Weights.of((50, 35, 15))


@cache
def pattern() -> tuple[Ints, tuple[Ints, ...]]:
    """Country of each pair of the pattern, shape (25,), well mixed; and for each country its pairs."""
    pairs = [number for number, country in enumerate(COUNTRIES) for _ in range(country.pairs)]
    mixed = np.array([pairs[7 * place % len(pairs)] for place in range(len(pairs))], np.int64)
    return mixed, tuple(np.flatnonzero(mixed == number) for number in range(len(COUNTRIES)))


@cache
def pair_table() -> tuple[Ints, Ints]:
    """The pairs of each country as one padded array, shape (countries, most), and how many there are."""
    _, by_country = pattern()
    counts = np.array([len(pairs) for pairs in by_country], np.int64)
    return np.stack([np.resize(pairs, counts.max()) for pairs in by_country]), counts


@dataclass(frozen=True)
class State:
    """What is known of customers at one version of each, one entry a customer. `city` counts within the country, 0..4."""

    version: Ints  # 1 = as registered
    since: Ints  # µs
    city: Ints
    segment: Ints


class People:
    """All customers of one seed; `count` of them at one scale. Nothing is stored: every attribute is computed from k."""

    def __init__(self, version: int, seed: int, count: int) -> None:
        self.version, self.seed, self.count = version, seed, count

    def draws(self, column: str) -> Draws:
        """The random column of that name."""
        return Draws.of("retail", self.version, self.seed, "customers", column)

    def country(self, k: Ints) -> Ints:
        """Number of the country, which never changes."""
        numbers: Ints = pattern()[0][k % PATTERN >> 1]
        return numbers

    def registered(self, k: Ints) -> Ints:
        """µs; whole seconds. Even k: 2021 to 2023; odd k: 2022 to 2025."""
        even = (k & 1) == 0
        first = np.where(even, START - 1095 * DAY, START - 730 * DAY)
        span = np.where(even, 1095 * DAY, 730 * DAY + (END - START))
        return first + self.draws("registered").below(k, span // SECOND) * SECOND

    def changes(self, k: Ints) -> Ints:
        """How many times something about the customer changes within the two years: 0..3."""
        return self.draws("changes").pick(k, CHANGES) * (self.registered(k) < END - 30 * DAY)

    def changed(self, k: Ints, number: int) -> Ints:
        """When change `number` (1..3) happens, if it does: its share of the time that the customer is there; ascending."""
        first = np.maximum(self.registered(k), START)
        share = (END - SECOND - first) // SECOND // np.maximum(self.changes(k), 1)
        return first + ((number - 1) * share + 1 + self.draws("changed").below(k * 4 + number, np.maximum(share - 1, 1))) * SECOND

    def kind(self, k: Ints, number: int) -> Ints:
        """What changes: MOVES, UPGRADES or BOTH."""
        return self.draws("kind").pick(k * 4 + number, KINDS)

    def at(self, k: Ints, versions: Ints) -> State:
        """The state of each customer at its version (1 + changes so far)."""
        city = self.draws("city").below(k, CITIES)
        segment = self.draws("segment").pick(k, SEGMENT_WEIGHTS)
        since = self.registered(k)
        for number in range(1, MOST + 1):
            done = versions > number
            kind = self.kind(k, number)
            step = self.draws("step").bits(k * 4 + number)
            city += done * (kind != UPGRADES) * (1 + (step & np.uint64(0xFFFF)).astype(np.int64) % (CITIES - 1))
            segment += done * (kind != MOVES) * (1 + (step >> np.uint64(48)).astype(np.int64) % (len(SEGMENTS) - 1))
            since = np.where(done, self.changed(k, number), since)
        return State(versions, since, city % CITIES, segment % len(SEGMENTS))

    def version_at(self, k: Ints, when: Ints) -> Ints:
        """The version that holds at a time, one a row; 0 before the customer has registered."""
        changes = self.changes(k)
        later = sum((number <= changes) & (self.changed(k, number) <= when) for number in range(1, MOST + 1))
        return (self.registered(k) <= when) * (1 + later)

    def buyer(self, numbers: Ints, country: Ints, when: Ints) -> Ints:
        """Who places orders `numbers`, from that country, at that time: a long tail (density 1/√rank), registered by then."""
        pairs, counts = pair_table()
        draw = self.draws("buyer")
        unit = draw.unit(numbers * 2)
        block = (unit * unit * (self.count // PATTERN)).astype(np.int64)
        bits = draw.bits(numbers * 2 + 1)
        pair = pairs[country, (bits >> np.uint64(40)).astype(np.int64) % counts[country]]
        k = block * PATTERN + pair * 2 + (bits & np.uint64(1)).astype(np.int64)
        early = (k & 1 == 1) & (self.registered(k) > when)
        buyers: Ints = k - early
        return buyers
