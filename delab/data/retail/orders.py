"""Orders, lines, returns and payments as arrays of integers. Order number i has id i + 1; all follows from i and the scale."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from delab.data.model import Recipe
from delab.data.retail import clock, goods, people
from delab.data.retail.clock import DAY, DAYS, HOUR, SECOND, START
from delab.data.retail.places import CITIES, COUNTRIES, WHOLE, geography
from delab.data.rng import Bits, Bools, Draws, Ints, Weights, scaled

SLOTS = 10  # line ids of an order: id * 10 + line number
LINES = Weights.of((26, 25, 18, 12, 8, 5, 4, 2))  # 1 to 8 lines
QUANTITIES = np.repeat((1, 2, 3, 4, 6, 10, 12), (655, 195, 72, 41, 31, 20, 10))  # 1024, as often as each is drawn
WEB, COMPLETED, CANCELLED = 0.35, 0, 1
STATUS = ("completed", "cancelled")
METHODS = ("card", "bank transfer", "wallet", "cash on delivery", "voucher")
METHOD_WEIGHTS = Weights.of((55, 15, 22, 8))
REASONS = ("does not fit", "damaged", "not as described", "arrived late", "changed mind")
REASON_WEIGHTS = Weights.of((34, 14, 20, 10, 22))
RETURNED, SPLIT, DECLINED = 0.06, 0.08, 0.05


class Heads:
    """Orders [start, stop), one entry each; a column is computed when it is first asked for."""

    def __init__(self, world: "World", start: int, stop: int) -> None:
        self.world = world
        self.number = np.arange(start, stop, dtype=np.int64)

    def draws(self, column: str) -> Draws:
        """A random column of orders."""
        return self.world.draws("orders", column)

    @cached_property
    def at(self) -> Ints:
        """When, in µs."""
        if not len(self.number):
            return self.number
        return clock.order_times(self.draws("at"), self.number, self.world.orders)

    @cached_property
    def day(self) -> Ints:
        """On which of the days, in UTC."""
        days: Ints = (self.at - START) // DAY
        return days

    @cached_property
    def country(self) -> Ints:
        """Where orders come from: wherever it is a busy hour."""
        hour, (threshold, alias) = self.at // HOUR % 24, country_tables()
        bits = self.draws("country").bits(self.number)
        cell = hour * len(COUNTRIES) + scaled(bits, len(COUNTRIES))
        kept = bits.astype(np.uint32) < threshold[cell]
        return np.where(kept, cell - hour * len(COUNTRIES), alias[cell])

    @cached_property
    def customer(self) -> Ints:
        """Customer number k."""
        return self.world.people.buyer(self.number, self.country, self.at)

    @cached_property
    def store(self) -> Ints:
        """Store number - 1: the web shop, or a shop that is open by then."""
        draw, web_shop = self.draws("store"), self.country * (CITIES + 1)
        store = web_shop + 1 + draw.below(self.number * 2, CITIES)
        web = draw.chance(self.number * 2 + 1, WEB) | (opening_days()[store] > self.day)
        return np.where(web, web_shop, store)

    @cached_property
    def promotion(self) -> Ints:
        """The position of the promotion used, or -1."""
        return np.where(self.draws("promotion").chance(self.number, 0.4), self.world.promotions.running[self.day], -1)

    @cached_property
    def cancelled(self) -> Bools:
        """Whether the order is cancelled."""
        return self.draws("cancelled").chance(self.number, 0.03)


@dataclass(frozen=True)
class Lines:
    """Lines, one entry each, in the order of their orders. Amounts in hundredths of the store's currency."""

    order: Ints  # position in the heads that the lines were made for
    slot: Ints  # order number * SLOTS + line number (from 1): what random columns of lines are keyed by
    line: Ints
    product: Ints  # product number k
    quantity: Ints
    price: Ints
    discount: Ints

    @property
    def amount(self) -> Ints:
        """What is paid for the line."""
        return self.quantity * self.price - self.discount


@dataclass(frozen=True)
class World:
    """All that one seed and scale decide."""

    version: int
    recipe: Recipe

    @cached_property
    def people(self) -> people.People:
        """The customers."""
        return people.People(self.version, self.recipe.seed, people.PATTERN * max(1, int(4 * self.recipe.scale)))

    @cached_property
    def products(self) -> goods.Products:
        """The products."""
        return goods.products(self.version, self.recipe.seed, goods.product_count(self.recipe.scale))

    @cached_property
    def promotions(self) -> goods.Promotions:
        """The promotions."""
        return goods.promotions(self.version, self.recipe.seed)

    @property
    def orders(self) -> int:
        """How many orders there are."""
        return max(1, int(1000 * self.recipe.scale))

    def draws(self, table: str, column: str) -> Draws:
        """A random column."""
        return Draws.of("retail", self.version, self.recipe.seed, table, column)

    def heads(self, start: int, stop: int) -> Heads:
        """Orders [start, stop)."""
        return Heads(self, start, stop)

    def line_counts(self, number: Ints) -> Ints:
        """How many lines each order has: 1..8."""
        return 1 + self.draws("order_lines", "count").pick(number, LINES)

    def lines(self, heads: Heads) -> Lines:
        """The lines of these orders."""
        counts = self.line_counts(heads.number)
        first = np.cumsum(counts) - counts  # the position of each order's first line
        order = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        line = np.arange(1, len(order) + 1, dtype=np.int64) - first[order]
        slot = (heads.number * SLOTS)[order] + line
        bits = self.draws("order_lines", "bits").bits(slot)  # 24 for the basket, 10 for the quantity, 30 for the companion
        product = self.baskets(slot, line, first, order, bits)
        quantity = QUANTITIES[(bits >> np.uint64(24)) & np.uint64(1023)]
        cell = product * self.products.width + self.products.by_day[product * (DAYS + 1) + price_day(heads.at)[order]]
        price = self.price_lists[(heads.country * self.products.price.size)[order] + cell]
        return Lines(order, slot, line, product, quantity, price, self.discounts(heads, order, cell, quantity * price))

    def baskets(self, slot: Ints, line: Ints, first: Ints, order: Ints, bits: Bits) -> Ints:
        """Products: the first by Zipf's law; each other one, with probability 0.45, one of the three that go with the first."""
        own = self.draws("order_lines", "product").pick(slot, self.products.popularity)
        goes_with = (line > 1) & ((bits & np.uint64(0xFFFFFF)) < np.uint64(int(0.45 * 0x1000000)))
        which = bits >> np.uint64(34)
        which -= which // np.uint64(3) * np.uint64(3)  # what % 3 gives, at a third of its time
        companion = own[first][order] ^ (1 + which.view(np.int64))
        return np.where(goes_with, companion, own)

    @cached_property
    def price_lists(self) -> Ints:
        """Hundredths of local currency: every country's list, each as long as products.price, one after the other."""
        euro, country = np.tile(self.products.price.ravel(), len(COUNTRIES)), np.arange(len(COUNTRIES), dtype=np.int64)
        return local_price(euro, np.repeat(country, self.products.price.size))

    def discounts(self, heads: Heads, order: Ints, cell: Ints, full: Ints) -> Ints:
        """What is taken off each line: if its order uses a promotion and its department is in it."""
        off = np.zeros(len(order), np.int64)
        some = np.flatnonzero((heads.promotion >= 0)[order])
        promotion, department = heads.promotion[order[some]], self.products.category.ravel()[cell[some]] // 5
        wanted = self.promotions.department[promotion]
        percent = self.promotions.percent[promotion] * ((wanted < 0) | (wanted == department))
        off[some] = rounded(full[some] * percent, heads.country[order[some]])
        return off

    def totals(self, heads: Heads, lines: Lines) -> Ints:
        """What each order costs."""
        ends = np.cumsum(np.bincount(lines.order, minlength=len(heads.number)))
        sums = np.concatenate([[0], np.cumsum(lines.amount)])
        totals: Ints = sums[ends] - sums[np.concatenate([[0], ends[:-1]])]
        return totals


def price_day(at: Ints) -> Ints:
    """1 + the last day whose price change has happened by then: prices change at the same hour of a day."""
    return (at - (START + goods.CHANGE_HOUR)) // DAY + 1


@cache
def country_tables() -> tuple[NDArray[np.uint32], Ints]:
    """The alias tables of clock.countries_by_hour, one after the other."""
    hours = clock.countries_by_hour()
    return np.concatenate([weights.threshold for weights in hours]), np.concatenate([weights.alias for weights in hours])


@cache
def opening_days() -> Ints:
    """By store: the day of the two years from which it sells; 0 or less if it is older."""
    return np.array([(store.opened_on - clock.FIRST_DAY).days for store in geography()[1]], np.int64)


def local_price(cents: Ints, country: Ints) -> Ints:
    """The price in the list of the country, in hundredths of its currency."""
    rates = np.array([round(place.list_rate * 1000) for place in COUNTRIES], np.int64)
    return rounded(cents * rates[country] // 10, country)


def rounded(hundredfold: Ints, country: Ints) -> Ints:
    """Hundredths from a hundred times as many, rounded half up; whole units in currencies without small coins."""
    step = np.array([100 if place.currency in WHOLE else 1 for place in COUNTRIES], np.int64)[country]
    return (hundredfold + 50 * step) // (100 * step) * step


@dataclass(frozen=True)
class Returns:
    """Returned lines, one entry each."""

    line: Ints  # position in the lines
    at: Ints
    quantity: Ints
    refund: Ints
    reason: Ints


def returns(world: World, heads: Heads, lines: Lines) -> Returns:
    """What comes back of these lines, one to thirty days later; nothing of a cancelled order."""
    draw = world.draws("returns", "what")
    back = draw.chance(lines.slot, RETURNED) & ~heads.cancelled[lines.order]
    line = np.flatnonzero(back)
    slot = lines.slot[line]
    quantity = 1 + world.draws("returns", "quantity").below(slot, lines.quantity[line])
    refund = rounded(lines.amount[line] * quantity * 100 // lines.quantity[line], heads.country[lines.order[line]])
    at = heads.at[lines.order[line]] + DAY + world.draws("returns", "at").below(slot, 29 * DAY // SECOND) * SECOND
    return Returns(line, at, quantity, refund, world.draws("returns", "reason").pick(slot, REASON_WEIGHTS))


@dataclass(frozen=True)
class Payments:
    """Attempts to pay, one entry each, in the order of their orders."""

    order: Ints  # position in the heads
    part: Ints  # 0 a declined attempt, 1 a voucher, 2 the rest
    at: Ints
    method: Ints
    amount: Ints


def payments(world: World, heads: Heads, total: Ints) -> Payments:
    """How these orders are paid: the captured amounts of an order add up to its total; a cancelled order is not paid."""
    split = world.draws("payments", "split").chance(heads.number, SPLIT) & (total >= 2000)
    declined = world.draws("payments", "declined").chance(heads.number, DECLINED)
    present = np.stack([declined, split, np.ones_like(split)], axis=1) & ~heads.cancelled[:, None]
    order, part = np.nonzero(present)
    voucher = split[order] * (total[order] // 400 * 100)
    amount = np.where(part == 0, total[order], np.where(part == 1, voucher, total[order] - voucher))
    method = np.where(
        part == 1, METHODS.index("voucher"), world.draws("payments", "method").pick(heads.number[order], METHOD_WEIGHTS)
    )
    late = world.draws("payments", "at").below(heads.number[order] * 4 + part, 240) * SECOND
    return Payments(order, part, heads.at[order] + part * 300 * SECOND + late, method, amount)
