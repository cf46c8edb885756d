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
from delab.data.rng import Bits, Bools, Ints, zipf_shares

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


@cache
def popular() -> Ints:
    """16384 products, each as often as it is looked at: Zipf's law with the exponent 3/4, cut to whole shares."""
    shares = zipf_shares(site.PRODUCTS, 3)
    bounds = np.array([sum(shares[: rank + 1]) * 16384 // sum(shares) for rank in range(len(shares))], np.int64)
    return np.repeat(np.arange(len(shares), dtype=np.int64), np.diff(bounds, prepend=0))


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
        """Random bits: 0–9 dwell, 10–19 its ms, 20–25 what is looked at, 26–29 query, 30–31 how many, 32–42 load, 43–56 product."""
        return self.world.draws("clicks", "bits").bits(self.number)

    @cached_property
    def way(self) -> Bits:
        """Random bits: 0–9 delay, 10–25 its µs, 26–35 whether delivered twice, 36–39 how soon, 40–55 how much later."""
        return self.world.draws("clicks", "way").bits(self.number)

    @cached_property
    def at(self) -> Ints:
        """When each happens, in µs, by a right clock."""
        wait = dwells()[field(self.bits, 0, 10)] + field(self.bits, 10, 10) * MS
        bots = self.bots
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
            late = self.of(self.visits.offline)
            at[late] = np.repeat(sent, self.visits.clicks[some]) + (self.place[late] + 1) * 37 * MS
        return at

    @cached_property
    def twice(self) -> Ints:
        """The positions of those that are delivered twice."""
        return np.flatnonzero(field(self.way, 26, 10) < TWICE)

    def again(self, some: Ints) -> Ints:
        """When a second delivery of these comes, if one does: 1 to 60 s later; one in 16 1 to 11 minutes."""
        way = self.way[some]
        share = field(way, 40, 16)
        soon, later = SECOND + share * 59 * SECOND // 65536, MINUTE + share * (AGAIN - 1) * MINUTE // 65536
        at: Ints = self.arrives[some] + np.where(field(way, 36, 4) == 0, later, soon)
        return at

    def of(self, chosen: Bools) -> Ints:
        """The positions of the clicks of chosen visits."""
        return np.flatnonzero(np.repeat(chosen, self.visits.clicks))

    @cached_property
    def bots(self) -> Ints:
        """The positions of clicks by bots."""
        return self.of(self.visits.bot)

    @cached_property
    def steps(self) -> tuple[Ints, ...]:
        """The positions of clicks down the funnel: looks before something goes into the cart, carts, checkouts, buys."""
        depth, last = self.visits.depth, self.first + self.visits.clicks - 1
        reached = (np.flatnonzero((depth > 0) & (depth >= step)) for step in range(4))
        return tuple(last[some] - depth[some] + step for step, some in enumerate(reached))

    @cached_property
    def kind(self) -> Ints:
        """What each is: one of the kinds of site."""
        kind = BROWSE[field(self.bits, 20, 6)]
        kind[self.bots] = site.PRODUCT
        for step, some in enumerate(self.steps):
            kind[some] = site.PRODUCT + step
        return kind

    @cached_property
    def product(self) -> Ints:
        """The product that each is about: a popular one; of bots one after the other; in the cart goes what was looked at."""
        product = popular()[field(self.bits, 43, 14)]
        begin = self.visits.draws("crawl from").below(self.visits.number, site.PRODUCTS)
        product[self.bots] = (begin[self.visit[self.bots]] + self.place[self.bots]) % site.PRODUCTS
        for some in self.steps[1:]:
            product[some] = product[some - 1]
        return product

    @cached_property
    def page(self) -> Ints:
        """Number of the page."""
        page = self.product + site.FIRST_PRODUCT
        some = np.flatnonzero((self.kind != site.PRODUCT) & (self.kind != site.CART))
        lists = site.FIRST_LIST + self.product[some] // site.EACH
        fixed = np.array((site.HOME_PAGE, 0, site.SEARCH_PAGE, 0, 0, site.CHECKOUT_PAGE, site.THANKS_PAGE), np.int64)
        page[some] = np.where(self.kind[some] == site.LIST, lists, fixed[self.kind[some]])
        return page

    def paid(self, some: Ints) -> Ints:
        """Euro cents paid for one to three of the product, where something is bought."""
        paid: Ints = site.prices()[self.product[some]] * np.array((1, 1, 2, 3), np.int64)[field(self.bits[some], 30, 2)]
        return paid

    @cached_property
    def amount(self) -> Ints:
        """Euro cents paid; 0 unless something is bought."""
        amount = np.zeros(len(self.number), np.int64)
        amount[self.steps[3]] = self.paid(self.steps[3])
        return amount

    @cached_property
    def load(self) -> Ints:
        """How long the page took to load, in ms: 40 to 4,130, half of them below 552."""
        share = field(self.bits, 32, 11)
        return 40 + (share * share * share >> 21)


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
    parts = []
    for second, some in enumerate((np.arange(len(clicks.number), dtype=np.int64), clicks.twice)):
        at = (clicks.again(some) if second else clicks.arrives) - since
        inside = np.flatnonzero((at >= 0) & (at < span))
        parts.append((at[inside] << 26) | (some[inside] << 1) | second)
    keys = np.concatenate(parts)
    keys.sort(kind="stable")  # nearly sorted already, which this sort makes use of
    return Deliveries(clicks, (keys >> 1) & ((1 << 25) - 1), (keys & 1).astype(np.bool_), since + (keys >> 26))


def stream(world: World) -> Iterator[Deliveries]:
    """All deliveries in the order of arrival; memory holds some minutes."""
    for start in range(0, world.minutes, PAGE):
        yield deliveries(world, start, min(start + PAGE, world.minutes))
