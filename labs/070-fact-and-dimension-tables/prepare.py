"""A shop with two business processes: sales, from the retail data set, and stock, of which only movements are recorded.

`shop(seed)` is what is delivered, as rows; `later(shop, seed)` is what comes in afterwards. verify.py computes the truth from them.
"""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from psycopg2.extras import execute_values

from delab.data import Recipe, dataset
from delab.services.postgres import connect

SCALE = 0.6
STOCK_DAYS = 70
LATE = 12  # days after the first on which the last of the shops begins
GAP = 10  # between numbers, so that others come in between
YEAR_END = datetime(2025, 12, 27, tzinfo=UTC)  # what is ordered later is recorded at once: the calendar ends with the year
Row = dict[str, Any]
TABLES = {
    "products": "product_id bigint, sku text, name text, department text, category text",
    "stores": "store_id bigint, name text, channel text, country text, city text",
    "orders": "order_id bigint, ordered_at timestamptz, recorded_at timestamptz, store_id bigint, "
    "status text, shipping_fee numeric",
    "order_lines": "order_id bigint, line_number int, product_id bigint, quantity int, unit_price numeric, discount numeric",
    "stock_movements": "movement_id bigint, store_id bigint, product_id bigint, moved_at timestamptz, kind text, quantity int",
}


@dataclass(frozen=True)
class Shop:
    """The rows of each source table."""

    products: list[Row] = field(default_factory=list)
    stores: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    order_lines: list[Row] = field(default_factory=list)
    stock_movements: list[Row] = field(default_factory=list)

    def and_then(self, more: "Shop") -> "Shop":
        """Both together."""
        return Shop(*(getattr(self, name) + getattr(more, name) for name in TABLES))


def only(table: str, rows: Iterable[Row]) -> list[Row]:
    """The rows with the columns that the source table has."""
    names = [column.split()[0] for column in TABLES[table].split(", ")]
    return [{name: row[name] for name in names} for row in rows]


def shop(seed: int) -> Shop:
    """The shops of the euro countries: orders of two years, stock of ten weeks."""
    data, recipe, chance = dataset("retail"), Recipe(SCALE, seed), random.Random(seed)

    def rows(table: str) -> list[Row]:
        return list(data.rows(table, recipe).to_pylist())

    stores, products = [row for row in rows("stores") if row["currency"] == "EUR"], rows("products")
    here = {row["store_id"] for row in stores}
    orders = [row for row in rows("orders") if row["store_id"] in here]
    ours = {row["order_id"] for row in orders}
    lines = [row for row in rows("order_lines") if row["order_id"] in ours]
    for row in [*products, *lines]:
        row["product_id"] *= GAP
    for row in [*stores, *orders]:
        row["store_id"] *= GAP
    for row in [*orders, *lines]:
        row["order_id"] *= GAP
    for place, row in enumerate(orders):
        row["shipping_fee"] = Decimal(chance.choice([0, 295, 495, 499, 1000, 1095])) / 100
        row["status"] = "cancelled" if place % 11 == 3 else "completed"
        row["recorded_at"] += timedelta(days=chance.choice([0, 0, 1, 3]) if row["ordered_at"] < YEAR_END else 0)
    gift = next(row["order_id"] for row in orders if row["status"] == "completed")
    alike = twins(orders, lines)
    for row in lines:
        full = row["quantity"] * row["unit_price"]
        if chance.random() < 0.25 and row["order_id"] != alike:
            row["discount"] = (full * chance.choice([5, 10, 15]) / 100).quantize(Decimal("0.01"))
        if row["order_id"] == gift:
            row["discount"] = full  # a present: nothing is paid for it
    movements = stock(chance, [row["store_id"] for row in stores[1:5]], [row["product_id"] for row in products])
    found = {"products": products, "stores": stores, "orders": orders, "order_lines": lines, "stock_movements": movements}
    return Shop(**{table: only(table, found[table]) for table in TABLES})


def twins(orders: list[Row], lines: list[Row]) -> int:
    """The last order of two lines has the same in both, and a fee that no coins of five cents halve; returns its number."""
    sizes = Counter(row["order_id"] for row in lines)
    order = next(row for row in reversed(orders) if row["status"] == "completed" and sizes[row["order_id"]] == 2)
    order["shipping_fee"] = Decimal("4.95")
    one, other = (row for row in lines if row["order_id"] == order["order_id"])
    other.update({name: one[name] for name in ("product_id", "quantity", "unit_price", "discount")})
    return int(order["order_id"])


def stock(chance: random.Random, stores: list[int], products: list[int]) -> list[Row]:
    """Movements of some products in some shops; never more goes out than is there."""
    first, number, movements = date(2025, chance.randint(2, 8), chance.randint(5, 12)), 0, []
    pool = chance.sample(products, 9)  # each shop keeps seven of them, so that every product lies in several
    for store in stores:
        for product in chance.sample(pool, 7):
            begins = chance.randint(LATE, LATE + 3) if store == stores[-1] else chance.randint(0, STOCK_DAYS // 3)
            on_hand, begins = 0, begins if movements else 0  # the very first one on the first day
            for day in range(begins, STOCK_DAYS):
                happens = 1 if day == begins else chance.choice([0, 0, 0, 1, 1, 2])
                for _ in range(happens):
                    number += GAP
                    kind = "receipt" if not on_hand else chance.choice(["receipt", "sale", "sale", "sale", "write_off"])
                    quantity = chance.randint(5, 40) if kind == "receipt" else chance.randint(1, on_hand)
                    on_hand += quantity if kind == "receipt" else -quantity
                    moved = datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(
                        days=day, seconds=chance.randrange(86400)
                    )
                    movements.append(
                        {
                            "movement_id": number,
                            "store_id": store,
                            "product_id": product,
                            "moved_at": moved,
                            "kind": kind,
                            "quantity": quantity,
                        }
                    )
    return movements


def later(before: Shop, seed: int) -> Shop:
    """What comes in afterwards: members with small numbers, orders and movements, some of them dated long before."""
    chance = random.Random(seed + 1)
    products = [
        {**before.products[0], "product_id": number, "sku": f"NEW-{number}", "name": f"New {number}"}
        for number in (3, 5, 14, 99_993)
    ]
    stores = [{**before.stores[-1], "store_id": number, "name": f"New {number}"} for number in (7, 9_993)]
    orders, lines = [], []
    for place, old in enumerate(chance.sample([row for row in before.orders if row["status"] == "completed"], 12)):
        number, new = old["order_id"] - 3, place < 4
        orders.append(
            {
                **old,
                "order_id": number,
                "recorded_at": old["recorded_at"] + timedelta(days=9),
                "store_id": stores[0]["store_id"] if new else old["store_id"],
            }
        )
        for row in before.order_lines:
            if row["order_id"] == old["order_id"]:
                lines.append({**row, "order_id": number, "product_id": products[0]["product_id"] if new else row["product_id"]})
    return Shop(products=products, stores=stores, orders=orders, order_lines=lines, stock_movements=moved(before, stores, products))


def moved(before: Shop, stores: list[Row], products: list[Row]) -> list[Row]:
    """Receipts that come in afterwards, two of them before all others of their product in their store."""
    moves = sorted(before.stock_movements, key=lambda row: row["moved_at"])
    very_first, last, old = moves[0], moves[-1], before.stock_movements[3]
    late = next(row for row in moves if row["store_id"] == before.stock_movements[-1]["store_id"])
    found: list[tuple[Row, int, int, Row]] = [
        (very_first, -3, 11, {}),
        (late, -4, 12, {}),
        (old, 4, 17, {}),
        (old, 5, 6, {"product_id": products[1]["product_id"]}),
        (old, 6, 8, {"store_id": stores[0]["store_id"]}),
        (last, 1, 3, {}),
    ]
    return [
        {
            **row,
            "movement_id": GAP * place - 3,
            "moved_at": row["moved_at"] + timedelta(days=days),
            "kind": "receipt",
            "quantity": quantity,
            **other,
        }
        for place, (row, days, quantity, other) in enumerate(found, 1)
    ]


def add(session: Any, rows: Shop) -> None:
    """Put rows into the source tables."""
    with session.cursor() as cursor:
        for table in TABLES:
            if found := getattr(rows, table):
                values = [tuple(row.values()) for row in found]
                execute_values(cursor, f"INSERT INTO raw.{table} VALUES %s", values, page_size=2000)


def prepare(stack, seed):
    """The source tables in schema raw, as they are delivered: without keys."""
    with connect(stack["primary"].endpoint, seconds=60) as session:
        with session.cursor() as cursor:
            cursor.execute("CREATE SCHEMA raw")
            for table, columns in TABLES.items():
                cursor.execute(f"CREATE TABLE raw.{table} ({columns})")
        add(session, shop(seed))
