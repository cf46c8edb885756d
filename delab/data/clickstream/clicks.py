"""Clicks and their deliveries as arrays of integers, cut by when they arrive.

A click number is visit number * CLICKS + its place in the visit. What arrives in some minutes belongs to visits that began in them
or in the REACH minutes before, or to offline visits that are sent then: so any minutes can be made alone, sorted on their own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from delab.data.clickstream import site
from delab.data.clickstream.clock import MINUTE, MS, SECOND, START
from delab.data.clickstream.visits import CLICKS, DWELL, LONG_PAUSE, Visits, World
from delab.data.rng import Bits, Bools, Ints, zipf

PAGE = 384  # minutes that are made together
REACH = 100  # minutes from the begin of a visit until its last delivery, unless it is offline: 72 + LATE + AGAIN
LATE, AGAIN = 15, 11  # minutes: the latest click of a visit that is not offline; the latest second delivery
BROWSE = np.repeat((site.HOME, site.LIST, site.SEARCH, site.PRODUCT), (6, 14, 8, 36))  # 64
TWICE = 20  # of 1024 clicks are delivered twice


@cache
def dwells() -> Ints:
    """µs from one click to the next, 1024 equally likely values: 1.5 to 111.5 s, most of them short."""
    u = np.arange(1024, dtype=np.int64)
    values: Ints = 1500 * MS + 110_000 * u**3 // 1023**3 * MS
    return values


@cache
def delays() -> Ints:
    """µs on the way, 1024 equally likely values: below half a second; 1 to 30 s for one in nine; 1 to 15 minutes for one in 64."""
    quick = 20 * MS + np.arange(896, dtype=np.int64) * 500
    seconds = SECOND + np.arange(112, dtype=np.int64) * 29 * SECOND // 112
    minutes = MINUTE + np.arange(16, dtype=np.int64) * (LATE - 1) * MINUTE // 16
    return np.concatenate([quick, seconds, minutes])


def field(bits: Bits, shift: int, width: int) -> Ints:
    """Some of the bits as an integer."""
    values: Ints = ((bits >> np.uint64(shift)) & np.uint64((1 << width) - 1)).view(np.int64)
    return values


class Clicks:
    """All clicks of some visits, in their order; a column is computed when it is first asked for."""

    def __init__(self, visits: Visits) -> None:
        self.visits = visits
        self.world = visits.world
        counts = visits.clicks
        self.first = np.cumsum(counts) - counts  # the position of each visit's first click
        self.visit = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        self.place = np.arange(len(self.visit), dtype=np.int64) - self.first[self.visit]  # in the visit, from 0
        self.number = visits.number[self.visit] * CLICKS + self.place

    @cached_property
    def bits(self) -> Bits:
        """Random bits: 0–9 dwell, 10–19 its ms, 20–25 what is looked at, 26–29 the query, 30–31 quantity, 32–42 loading time."""
        return self.world.draws("clicks", "bits").bits(self.number)

    @cached_property
    def way(self) -> Bits:
        """Random bits: 0–9 delay, 10–25 its µs, 26–35 whether delivered twice, 36–39 how soon, 40–55 how much later."""
        return self.world.draws("clicks", "way").bits(self.number)

    @cached_property
    def at(self) -> Ints:
        """When each happens, in µs, by a right clock."""
        wait = dwells()[field(self.bits, 0, 10)] + field(self.bits, 10, 10) * MS
        bots = np.flatnonzero(self.visits.bot[self.visit])
        pace = (4 + self.visits.draws("pace").below(self.visits.number, 17)) * 250 * MS  # bots click like a clock
        wait[bots] = pace[self.visit[bots]]
        where, long = self.visits.pause
        some = np.flatnonzero(self.visits.pauses)
        wait[self.first[some] + where[some]] += long[some]
        wait[self.first] = 0
        passed = np.cumsum(wait)
        at: Ints = passed + (self.visits.begins - passed[self.first])[self.visit]
        return at

    @cached_property
    def event_time(self) -> Ints:
        """When each happens by the visitor's clock."""
        offset: Ints = self.world.clock_offset(self.visits.visitor)
        return self.at + offset[self.visit]

    @cached_property
    def arrives(self) -> Ints:
        """When each is delivered."""
        at = self.at + delays()[field(self.way, 0, 10)] + field(self.way, 10, 16)
        some = np.flatnonzero(self.visits.offline)
        if len(some):
            sent = self.at[self.first[some] + self.visits.clicks[some] - 1] + self.visits.lag[some]
            due = np.zeros(len(self.visits.number), np.int64)
            due[some] = sent
            late = np.flatnonzero(self.visits.offline[self.visit])
            at[late] = due[self.visit[late]] + (self.place[late] + 1) * 37 * MS
        return at

    @cached_property
    def twice(self) -> Bools:
        """Which are delivered twice."""
        hit: Bools = field(self.way, 26, 10) < TWICE
        return hit

    @cached_property
    def again(self) -> Ints:
        """When a second delivery comes, if one does: 1 to 60 s later; one in 16 1 to 11 minutes."""
        share = field(self.way, 40, 16)
        soon, later = SECOND + share * 59 * SECOND // 65536, MINUTE + share * (AGAIN - 1) * MINUTE // 65536
        return self.arrives + np.where(field(self.way, 36, 4) == 0, later, soon)

    @cached_property
    def step(self) -> Ints:
        """How far down the funnel each click is: 1 cart, 2 checkout, 3 buys; 0 the look before the cart; less for other looks."""
        depth, left = self.visits.depth[self.visit], (self.visits.clicks - 1)[self.visit] - self.place
        return np.where(depth > 0, depth - left, -1)

    @cached_property
    def kind(self) -> Ints:
        """What each is: one of the kinds of site."""
        looks = np.where(self.visits.bot[self.visit], site.PRODUCT, BROWSE[field(self.bits, 20, 6)])
        return np.where(self.step >= 0, site.PRODUCT + self.step, looks)

    @cached_property
    def product(self) -> Ints:
        """The product that each is about: a popular one; of bots one after the other; in the cart goes what was looked at."""
        product = self.world.draws("clicks", "product").pick(self.number, zipf(site.PRODUCTS, 3))
        bots = np.flatnonzero(self.visits.bot[self.visit])
        begin = self.visits.draws("crawl from").below(self.visits.number, site.PRODUCTS)
        product[bots] = (begin[self.visit[bots]] + self.place[bots]) % site.PRODUCTS
        for step in (1, 2, 3):
            some = np.flatnonzero(self.step == step)
            product[some] = product[some - 1]
        return product

    @cached_property
    def page(self) -> Ints:
        """Number of the page."""
        fixed = np.array((site.HOME_PAGE, 0, site.SEARCH_PAGE, 0, 0, site.CHECKOUT_PAGE, site.THANKS_PAGE), np.int64)
        base = np.array((0, site.FIRST_LIST, 0, site.FIRST_PRODUCT, site.FIRST_PRODUCT, 0, 0), np.int64)
        about = np.where(self.kind == site.LIST, self.product // site.EACH, self.product)
        page: Ints = np.where(base[self.kind] > 0, base[self.kind] + about, fixed[self.kind])
        return page

    @cached_property
    def amount(self) -> Ints:
        """Euro cents paid; 0 unless something is bought."""
        paid = np.zeros(len(self.number), np.int64)
        some = np.flatnonzero(self.kind == site.BUY)
        quantity = np.array((1, 1, 2, 3), np.int64)[field(self.bits[some], 30, 2)]
        paid[some] = site.prices()[self.product[some]] * quantity
        return paid

    @cached_property
    def load(self) -> Ints:
        """How long the page took to load, in ms: 40 to 4,132, most of them short."""
        share = field(self.bits, 32, 11)
        return 40 + share * share // 1024


@dataclass(frozen=True)
class Deliveries:
    """Deliveries in the order in which they arrive: positions in `clicks`, and whether each is a second one."""

    clicks: Clicks
    position: Ints
    second: Bools
    arrival: Ints  # µs

    def __len__(self) -> int:
        return len(self.position)


def last_click(visits: Visits) -> Ints:
    """When the last click of each visit happens, in µs."""
    clicks = Clicks(visits)
    last: Ints = clicks.at[clicks.first + visits.clicks - 1]
    return last


def candidates(world: World, start: int, stop: int) -> Visits:
    """The visits of which something may arrive in minutes [start, stop)."""
    live = world.visits(start - REACH, stop)
    longest = live.begins + live.clicks * DWELL + live.pauses * (LONG_PAUSE * MINUTE) + (LATE + AGAIN) * MINUTE
    live = live.some(~live.offline & (longest >= START + start * MINUTE))
    sent = world.offline(START + (start - AGAIN - 1) * MINUTE, START + stop * MINUTE)
    number, place = np.concatenate([live.number, sent.number]), np.concatenate([live.place, sent.place])
    order = np.argsort(number)
    return Visits(world, number[order], place[order])


def deliveries(world: World, start: int, stop: int) -> Deliveries:
    """All that arrives in minutes [start, stop), at most PAGE of them, by arrival; at the same µs by delivery id."""
    clicks = Clicks(candidates(world, start, stop))
    since, span = START + start * MINUTE, (stop - start) * MINUTE
    once, again = clicks.arrives - since, clicks.again - since
    first = np.flatnonzero((once >= 0) & (once < span))
    second = np.flatnonzero(clicks.twice & (again >= 0) & (again < span))
    keys = np.concatenate([(once[first] << 26) | (first << 1), (again[second] << 26) | (second << 1) | 1])
    keys.sort()
    return Deliveries(clicks, (keys >> 1) & ((1 << 25) - 1), (keys & 1).astype(np.bool_), since + (keys >> 26))


def stream(world: World) -> Iterator[Deliveries]:
    """All deliveries in the order of arrival; memory holds some minutes."""
    for start in range(0, world.minutes, PAGE):
        yield deliveries(world, start, min(start + PAGE, world.minutes))
