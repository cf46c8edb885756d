"""Every retail table as Arrow rows, built from the arrays of the other modules."""

from collections.abc import Callable

import numpy as np

from delab.data.arrow import Array, pa
from delab.data.columns import dates, gaps, joined, money, padded, times, whole, words
from delab.data.retail import goods, orders, people
from delab.data.retail.clock import DAY, DAYS, EPOCH_DAY, SECOND
from delab.data.retail.names import EACH, full_names
from delab.data.retail.orders import SLOTS, World
from delab.data.retail.places import CITIES, COUNTRIES, geography
from delab.data.rng import Draws, Ints

CITY_NAMES = [city for country in COUNTRIES for _, city in country.places]
CODES = [country.code for country in COUNTRIES]
STORE_CURRENCY = [store.country.currency for store in geography()[1]]
Columns = dict[str, Array]


def areas(world: World, start: int, stop: int) -> Columns:
    """The hierarchy of areas."""
    some = geography()[0][start:stop]
    return {
        "area_id": pa.array([area.area_id for area in some], pa.int64()),
        "parent_id": pa.array([area.parent_id for area in some], pa.int64()),
        "level": pa.array([area.level for area in some], pa.string()),
        "name": pa.array([area.name for area in some], pa.string()),
    }


def stores(world: World, start: int, stop: int) -> Columns:
    """Shops and web shops."""
    some = geography()[1][start:stop]
    return {
        "store_id": pa.array([store.store_id for store in some], pa.int64()),
        "name": pa.array([store.name for store in some], pa.string()),
        "area_id": pa.array([store.area_id for store in some], pa.int64()),
        "channel": pa.array([store.channel for store in some], pa.string()),
        "country": pa.array([store.country.code for store in some], pa.string()),
        "city": pa.array([store.city for store in some], pa.string()),
        "currency": pa.array([store.country.currency for store in some], pa.string()),
        "time_zone": pa.array([store.country.zone for store in some], pa.string()),
        "opened_on": pa.array([store.opened_on for store in some], pa.date32()),
        "floor_m2": pa.array([store.floor_m2 for store in some], pa.int32()),
    }


def changing(world: World, k: Ints, state: people.State) -> Columns:
    """The columns of a customer that change, at one version each."""
    country = world.people.country(k)
    digits = np.array([place.digits for place in COUNTRIES], np.int64)[country]
    district = Draws.of("retail", "postal").below(k * 8 + state.city, 100)
    code = (state.city * 2 * 100 + district) * (10 ** np.arange(10, dtype=np.int64))[digits - 3]
    return {
        "city": words(CITY_NAMES, country * CITIES + state.city),
        "postal_code": padded(code + k % 10, digits),
        "segment": words(people.SEGMENTS, state.segment),
    }


def customers(world: World, start: int, stop: int) -> Columns:
    """Customers at their last version."""
    k = np.arange(start, stop, dtype=np.int64)
    who = world.people
    country, state = who.country(k), who.at(k, who.changes(k) + 1)
    address = joined(
        "c", whole(k + 1).cast(pa.string()), words(("@example.com", "@example.org", "@example.net"), who.draws("host").below(k, 3))
    )
    born = EPOCH_DAY - 365 * 18 - who.draws("born").below(k, 365 * 65)
    return {
        "customer_id": whole(k + 1),
        "name": full_names().take(pa.array(country * EACH + who.draws("name").below(k, EACH))),
        "email": gaps(address, who.draws("no email").chance(k, 0.04)),
        "birth_date": gaps(dates(born), who.draws("no birth date").chance(k, 0.125)),
        "country": words(CODES, country),
        **changing(world, k, state),
        "registered_at": times(who.registered(k)),
        "updated_at": times(state.since),
    }


def customer_changes(world: World, start: int, stop: int) -> Columns:
    """Every version of customers [start, stop)."""
    customer = np.arange(start, stop, dtype=np.int64)
    counts = world.people.changes(customer) + 1
    k = np.repeat(customer, counts)
    version = np.arange(1, len(k) + 1, dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    state = world.people.at(k, version)
    return {
        "change_id": whole((k + 1) * 4 + version),
        "customer_id": whole(k + 1),
        "version": whole(version, 16),
        "changed_at": times(state.since),
        "operation": words(("insert", "update"), (version > 1).astype(np.int64)),
        **changing(world, k, state),
    }


def kinds(category: Ints) -> Columns:
    """Department and category by the number of the category."""
    return {"department": words(goods.DEPARTMENTS, category // 5), "category": words(goods.CATEGORIES, category)}


def products(world: World, start: int, stop: int) -> Columns:
    """Products at their last version."""
    k, all_products = np.arange(start, stop, dtype=np.int64), world.products
    last = all_products.versions[k] - 1
    adjective = words(goods.ADJECTIVES, k // len(goods.CATEGORIES) % len(goods.ADJECTIVES))
    series = (k // (len(goods.CATEGORIES) * len(goods.ADJECTIVES)) + 1).astype(np.int64)
    return {
        "product_id": whole(k + 1),
        "sku": joined("SKU-", padded(k + 1, 6)),
        "name": joined(
            adjective,
            " ",
            words([name.lower() for name in goods.CATEGORIES], all_products.category[k, 0]),
            " ",
            whole(series).cast(pa.string()),
        ),
        **kinds(all_products.category[k, last]),
        "price": money(all_products.price[k, last]),
        "weight": whole(20 + world.draws("products", "weight").below(k, 4980), 32),
        "launched_on": dates(all_products.since[k, 0] // DAY - world.draws("products", "launched").below(k, 1500)),
        "updated_at": times(all_products.since[k, last]),
    }


def product_changes(world: World, start: int, stop: int) -> Columns:
    """Every version of products [start, stop)."""
    product, all_products = np.arange(start, stop, dtype=np.int64), world.products
    counts = all_products.versions[product]
    k = np.repeat(product, counts)
    version = np.arange(len(k), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    return {
        "change_id": whole((k + 1) * 8 + version + 1),
        "product_id": whole(k + 1),
        "version": whole(version + 1, 16),
        "changed_at": times(all_products.since[k, version]),
        "operation": words(("insert", "update"), (version > 0).astype(np.int64)),
        **kinds(all_products.category[k, version]),
        "price": money(all_products.price[k, version]),
    }


def promotions(world: World, start: int, stop: int) -> Columns:
    """The promotions."""
    number, every = np.arange(start, stop, dtype=np.int64), world.promotions
    names = ["Everything", *goods.DEPARTMENTS]
    first = EPOCH_DAY + every.week[number] * 7
    return {
        "promotion_id": whole(number + 1),
        "name": joined(words(names, every.department[number] + 1), " week ", whole(every.week[number] + 1).cast(pa.string())),
        "department": words([None, *goods.DEPARTMENTS], every.department[number] + 1),
        "percent": whole(every.percent[number], 16),
        "starts_on": dates(first),
        "ends_on": dates(first + 6),
    }


def exchange_rates(world: World, start: int, stop: int) -> Columns:
    """A row for each currency on each day; a unit is a day."""
    day = np.repeat(np.arange(start, stop, dtype=np.int64), len(goods.CURRENCIES))
    currency = np.tile(np.arange(len(goods.CURRENCIES), dtype=np.int64), stop - start)
    rates = goods.exchange_rates(world.version, world.recipe.seed)
    return {
        "rate_id": whole(day * len(goods.CURRENCIES) + currency + 1),
        "day": dates(EPOCH_DAY + day),
        "currency": words(goods.CURRENCIES, currency),
        "per_euro": money(rates[day, currency], pa.decimal128(12, 6)),
    }


def order_heads(world: World, start: int, stop: int) -> Columns:
    """Orders [start, stop)."""
    heads = world.heads(start, stop)
    promotion = gaps(whole(heads.promotion + 1), heads.promotion < 0)
    return {
        "order_id": whole(heads.number + 1),
        "ordered_at": times(heads.at),
        "recorded_at": times(heads.at + (1 + world.draws("orders", "recorded").below(heads.number, 90)) * SECOND),
        "customer_id": whole(heads.customer + 1),
        "store_id": whole(heads.store + 1),
        "promotion_id": promotion,
        "currency": words(STORE_CURRENCY, heads.store),
        "status": words(orders.STATUS, heads.cancelled.astype(np.int64)),
    }


def order_lines(world: World, start: int, stop: int) -> Columns:
    """The lines of orders [start, stop)."""
    heads = world.heads(start, stop)
    lines = world.lines(heads)
    return {
        "line_id": whole(lines.slot + SLOTS),
        "order_id": whole(heads.number[lines.order] + 1),
        "line_number": whole(lines.line, 16),
        "product_id": whole(lines.product + 1),
        "quantity": whole(lines.quantity, 32),
        "unit_price": money(lines.price),
        "discount": money(lines.discount),
        "amount": money(lines.amount),
    }


def returns(world: World, start: int, stop: int) -> Columns:
    """What comes back of orders [start, stop)."""
    heads = world.heads(start, stop)
    lines = world.lines(heads)
    back = orders.returns(world, heads, lines)
    return {
        "line_id": whole(lines.slot[back.line] + SLOTS),
        "order_id": whole(heads.number[lines.order[back.line]] + 1),
        "returned_at": times(back.at),
        "quantity": whole(back.quantity, 32),
        "refund": money(back.refund),
        "reason": words(orders.REASONS, back.reason),
    }


def payments(world: World, start: int, stop: int) -> Columns:
    """The payments of orders [start, stop)."""
    heads = world.heads(start, stop)
    paid = orders.payments(world, heads, world.totals(heads, world.lines(heads)))
    return {
        "payment_id": whole((heads.number[paid.order] + 1) * 4 + paid.part),
        "order_id": whole(heads.number[paid.order] + 1),
        "paid_at": times(paid.at),
        "method": words(orders.METHODS, paid.method),
        "amount": money(paid.amount),
        "currency": words(STORE_CURRENCY, heads.store[paid.order]),
        "status": words(("captured", "declined"), (paid.part == 0).astype(np.int64)),
    }


MAKERS: dict[str, Callable[[World, int, int], Columns]] = {
    "areas": areas,
    "stores": stores,
    "customers": customers,
    "customer_changes": customer_changes,
    "products": products,
    "product_changes": product_changes,
    "promotions": promotions,
    "exchange_rates": exchange_rates,
    "orders": order_heads,
    "order_lines": order_lines,
    "returns": returns,
    "payments": payments,
}


def units(world: World, table: str) -> int:
    """How many units a table has: its rows, days of rates, or the customers, products or orders that its rows belong to."""
    fixed = {
        "areas": len(geography()[0]),
        "stores": len(geography()[1]),
        "promotions": len(world.promotions.week),
        "exchange_rates": DAYS,
    }
    if table in fixed:
        return fixed[table]
    if table.startswith("customer"):
        return world.people.count
    return len(world.products) if table.startswith("product") else world.orders
