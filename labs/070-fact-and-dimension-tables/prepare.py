"""A shop with two business processes: sales, from the retail data set, and stock, of which only movements are recorded.

`shop(seed)` is what is delivered, as rows; `later(shop, seed)` is what comes in afterwards. verify.py computes the truth from them.
"""

import random
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

    stores = [row for row in rows("stores") if row["currency"] == "EUR"]
    here = {row["store_id"] for row in stores}
    orders = [row for row in rows("orders") if row["store_id"] in here]
    ours = {row["order_id"] for row in orders}
    lines = [row for row in rows("order_lines") if row["order_id"] in ours]
    for place, row in enumerate(orders):
        row["shipping_fee"] = Decimal(chance.choice([0, 295, 495, 499, 1000, 1095])) / 100
        row["status"] = "cancelled" if place % 11 == 3 else "completed"
        row["recorded_at"] += timedelta(days=chance.choice([0, 0, 1, 3]) if row["ordered_at"] < YEAR_END else 0)
    gift = next(row["order_id"] for row in orders if row["status"] == "completed")
    for row in lines:
        full = row["quantity"] * row["unit_price"]
        if chance.random() < 0.25:
            row["discount"] = (full * chance.choice([5, 10, 15]) / 100).quantize(Decimal("0.01"))
        if row["order_id"] == gift:
            row["discount"] = full  # a present: nothing is paid for it
    products = rows("products")
    movements = stock(chance, [row["store_id"] for row in stores[1:5]], [row["product_id"] for row in products])
    found = {"products": products, "stores": stores, "orders": orders, "order_lines": lines, "stock_movements": movements}
    return Shop(**{table: only(table, found[table]) for table in TABLES})


def stock(chance: random.Random, stores: list[int], products: list[int]) -> list[Row]:
    """Movements of some products in some shops; never more goes out than is there."""
    first, number, movements = date(2025, chance.randint(2, 8), chance.randint(5, 20)), 0, []
    pool = chance.sample(products, 9)  # each shop keeps seven of them, so that every product lies in several
    for store in stores:
        for product in chance.sample(pool, 7):
            on_hand, begins = 0, chance.randint(0, STOCK_DAYS // 3)
            for day in range(begins, STOCK_DAYS):
                happens = 1 if day == begins else chance.choice([0, 0, 0, 1, 1, 2])
                for _ in range(happens):
                    number += 1
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
    """What comes in afterwards: new orders, some of them dated long before; a forgotten receipt, and one more day of stock."""
    chance = random.Random(seed + 1)
    last = max(row["order_id"] for row in before.orders)
    orders, lines = [], []
    for number, old in enumerate(chance.sample([row for row in before.orders if row["status"] == "completed"], 12), 1):
        orders.append({**old, "order_id": last + number, "recorded_at": old["recorded_at"] + timedelta(days=9)})
        lines += [{**row, "order_id": last + number} for row in before.order_lines if row["order_id"] == old["order_id"]]
    moves = before.stock_movements
    number, early, late = max(row["movement_id"] for row in moves), moves[3], max(moves, key=lambda row: row["moved_at"])
    movements = [
        {**early, "movement_id": number + 1, "moved_at": early["moved_at"] + timedelta(days=4), "kind": "receipt", "quantity": 17},
        {**late, "movement_id": number + 2, "moved_at": late["moved_at"] + timedelta(days=1), "kind": "receipt", "quantity": 3},
    ]
    return Shop(orders=orders, order_lines=lines, stock_movements=movements)


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
