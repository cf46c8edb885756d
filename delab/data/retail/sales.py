"""Truth about orders: added up in whole hundredths from the generator's integers, never from the delivered rows."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from delab.data.arrow import ArrowTable, pa
from delab.data.columns import dates, money, whole, words
from delab.data.retail import goods, orders, people
from delab.data.retail.clock import DAY, DAYS, END, EPOCH_DAY, FIRST_DAY, START
from delab.data.retail.orders import Heads, Lines, World
from delab.data.retail.places import COUNTRIES, geography
from delab.data.retail.zones import local_offset
from delab.data.rng import Ints

BATCH = 65_536  # orders
CURRENCY = np.array([goods.CURRENCIES.index(country.currency) for country in COUNTRIES], np.int64)


@dataclass(frozen=True)
class Sums:
    """Completed orders added up by cell, shape (cells,) each; `amount` in hundredths."""

    orders: Ints
    lines: Ints
    quantity: Ints
    amount: Ints


def batches(world: World) -> Iterator[tuple[Heads, Lines]]:
    """All orders with their lines; memory holds one batch."""
    for start in range(0, world.orders, BATCH):
        heads = world.heads(start, min(start + BATCH, world.orders))
        yield heads, world.lines(heads)


def added(world: World, cell_of: Callable[[Heads], Ints], cells: int) -> Sums:
    """Add up completed orders by the cell that `cell_of` puts each order in."""
    sums = Sums(*(np.zeros(cells, np.int64) for _ in range(4)))
    for heads, lines in batches(world):
        cell, good = cell_of(heads), ~heads.cancelled[lines.order]
        np.add.at(sums.orders, cell[~heads.cancelled], 1)
        cell = cell[lines.order[good]]
        np.add.at(sums.lines, cell, 1)
        np.add.at(sums.quantity, cell, lines.quantity[good])
        np.add.at(sums.amount, cell, lines.amount[good])  # exact, unlike a weighted bincount
    return sums


def table(keys: dict[str, object], sums: Sums, keep: Ints) -> ArrowTable:
    """An answer: the key columns and the sums of the cells `keep`."""
    values = {"orders": whole(sums.orders[keep]), "lines": whole(sums.lines[keep]), "quantity": whole(sums.quantity[keep])}
    return pa.table({**keys, **values, "amount": money(sums.amount[keep])})


def order_totals(world: World) -> Iterator[ArrowTable]:
    """Every order: how many lines, and what they cost."""
    for heads, lines in batches(world):
        total = money(world.totals(heads, lines))
        yield pa.table({"order_id": whole(heads.number + 1), "lines": whole(np.bincount(lines.order)), "total": total})


def by_day(world: World, day_of: Callable[[Heads], Ints]) -> ArrowTable:
    """Sales by day and currency."""
    width = len(goods.CURRENCIES)
    sums = added(world, lambda heads: (day_of(heads) + 1) * width + CURRENCY[heads.country], (DAYS + 2) * width)
    keep = np.flatnonzero(sums.orders)
    keys = {"day": dates(EPOCH_DAY + keep // width - 1), "currency": words(goods.CURRENCIES, keep % width)}
    return table(keys, sums, keep)


def daily_sales(world: World) -> ArrowTable:
    """Completed sales by day in UTC and currency."""
    return by_day(world, lambda heads: (heads.at - START) // DAY)


def local_daily_sales(world: World) -> ArrowTable:
    """Completed sales by the day on the store's wall calendar, and currency."""
    return by_day(world, lambda heads: (heads.at + local_offset(heads.country, heads.at) - START) // DAY)


def store_sales(world: World) -> ArrowTable:
    """Completed sales by store, in its currency."""
    stores = geography()[1]
    sums = added(world, lambda heads: heads.store, len(stores))
    keep = np.flatnonzero(sums.orders)
    return table({"store_id": whole(keep + 1), "currency": words([s.country.currency for s in stores], keep)}, sums, keep)


def area_sales(world: World) -> ArrowTable:
    """Completed orders, their lines and quantity, of each area with all that lies below it."""
    areas, stores = geography()
    parent = {area.area_id: area.parent_id for area in areas}
    sums = added(world, lambda heads: heads.store, len(stores))
    totals = np.zeros((len(areas), 3), np.int64)
    for place, store in enumerate(stores):
        above: int | None = store.area_id
        while above is not None:
            totals[above - 1] += (sums.orders[place], sums.lines[place], sums.quantity[place])
            above = parent[above]
    names = ("orders", "lines", "quantity")
    return pa.table({"area_id": whole(np.arange(1, len(areas) + 1)), **{name: whole(totals[:, i]) for i, name in enumerate(names)}})


def product_sales(world: World) -> ArrowTable:
    """Completed lines and quantity of each product, and how many came back."""
    lines_of, quantity, returned = (np.zeros(len(world.products), np.int64) for _ in range(3))
    for heads, lines in batches(world):
        good = ~heads.cancelled[lines.order]
        np.add.at(lines_of, lines.product[good], 1)
        np.add.at(quantity, lines.product[good], lines.quantity[good])
        back = orders.returns(world, heads, lines)
        np.add.at(returned, lines.product[back.line], back.quantity)
    keep = np.flatnonzero(lines_of)
    columns = {"lines": lines_of, "quantity": quantity, "returned": returned}
    return pa.table({"product_id": whole(keep + 1), **{name: whole(values[keep]) for name, values in columns.items()}})


def monthly_revenue(world: World) -> ArrowTable:
    """Completed sales in euro at each day's rate, exact until rounded once a month, half up."""
    width = len(goods.CURRENCIES)
    sums = added(world, lambda heads: (heads.at - START) // DAY * width + CURRENCY[heads.country], DAYS * width)
    rates = goods.exchange_rates(world.version, world.recipe.seed).ravel()
    months: dict[dt.date, Fraction] = {}
    for cell in np.flatnonzero(sums.orders).tolist():
        month = (FIRST_DAY + dt.timedelta(cell // width)).replace(day=1)
        months[month] = months.get(month, Fraction(0)) + Fraction(int(sums.amount[cell]) * 1_000_000, int(rates[cell]))
    cents = np.array([int(total + Fraction(1, 2)) for total in months.values()], np.int64)
    return pa.table({"month": pa.array(list(months), pa.date32()), "euro": money(cents)})


def segment_sales(world: World) -> ArrowTable:
    """Completed orders by the customer's segment: as it was when they ordered, as it is at the end, as it was at first."""
    who, counts = world.people, np.zeros((3, len(people.SEGMENTS)), np.int64)
    for start in range(0, world.orders, BATCH):
        heads = world.heads(start, min(start + BATCH, world.orders))
        k, at = heads.customer[~heads.cancelled], heads.at[~heads.cancelled]
        versions = (who.version_at(k, at), who.version_at(k, np.full(len(k), END)), np.ones(len(k), np.int64))
        for place, version in enumerate(versions):
            np.add.at(counts[place], who.at(k, version).segment, 1)
    names = ("orders_as_was", "orders_as_is", "orders_as_first")
    return pa.table({"segment": pa.array(people.SEGMENTS), **{name: whole(counts[i]) for i, name in enumerate(names)}})


def bought_together(world: World, top: int = 50) -> ArrowTable:
    """The `top` pairs of products (the smaller number first) that most orders hold, cancelled ones too."""
    count = len(world.products)
    pairs, hits = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for _, lines in batches(world):
        pairs, hits = merged(pairs, hits, pair_keys(lines, count) % (count * count))
    best = np.lexsort((pairs, -hits))[:top]
    one, other = np.divmod(pairs[best], count)
    return pa.table({"product_a": whole(one + 1), "product_b": whole(other + 1), "orders": whole(hits[best])})


def merged(keys: Ints, counts: Ints, more: Ints) -> tuple[Ints, Ints]:
    """Counted keys with more of them counted in."""
    new, times = np.unique(more, return_counts=True)
    every = np.unique(np.concatenate([keys, new]))
    sums = np.zeros(len(every), np.int64)
    sums[np.searchsorted(every, keys)] = counts
    sums[np.searchsorted(every, new)] += times
    return every, sums


def pair_keys(lines: Lines, count: int) -> Ints:
    """(order, smaller product, larger product) of every two lines of an order, as one number each, without repeats."""
    found = []
    for distance in range(1, 8):
        same = lines.order[distance:] == lines.order[:-distance]
        one, other = lines.product[:-distance][same], lines.product[distance:][same]
        small, large = np.minimum(one, other), np.maximum(one, other)
        keys = (lines.order[distance:][same] * count + small) * count + large
        found.append(keys[small != large])
    return np.unique(np.concatenate(found))


def clean_totals(world: World) -> ArrowTable:
    """Rows and sums of the clean tables that grow: what a repaired load must come to."""
    rows: dict[tuple[str, str], int] = {}

    def add(what: str, column: str, amount: int) -> None:
        rows[what, column] = rows.get((what, column), 0) + amount

    for heads, lines in batches(world):
        back, paid = orders.returns(world, heads, lines), orders.payments(world, heads, world.totals(heads, lines))
        add("orders", "", len(heads.number))
        add("order_lines", "", len(lines.slot))
        add("order_lines", "quantity", int(lines.quantity.sum()))
        add("order_lines", "amount", int(lines.amount.sum()))
        add("returns", "", len(back.line))
        add("returns", "refund", int(back.refund.sum()))
        add("payments", "", len(paid.order))
        add("payments", "amount", int(paid.amount.sum()))
    totals = [value if column in ("", "quantity") else value / 100 for (_, column), value in rows.items()]
    names = {"table": [name for name, _ in rows], "column": [column for _, column in rows]}
    return pa.table({**names, "total": pa.array(totals, pa.float64())})
