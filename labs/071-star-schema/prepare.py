"""A shop with two order systems that number their customers for themselves, and with references that lead nowhere.

`shop(seed)` is what is delivered, as rows; `later(shop, seed)` is what comes in afterwards. verify.py computes the truth from them.
"""

import random
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from psycopg2.extras import execute_values

from delab.data import Recipe, dataset
from delab.services.postgres import connect

SCALE = 0.8
NOBODY, NOTHING, NOWHERE = 990_000, 880_000, 770  # numbers from here on are of no customer, product, store
Row = dict[str, Any]
TABLES = {
    "customers": "system text, customer_id bigint, name text, segment text, country text, city text",
    "products": "product_id bigint, sku text, name text, department text, category text",
    "stores": "store_id bigint, name text, channel text, area_id bigint",
    "areas": "area_id bigint, parent_id bigint, level text, name text",
    "orders": "order_id bigint, system text, customer_id bigint, store_id bigint, ordered_at timestamptz, status text",
    "order_lines": "order_id bigint, line_number int, product_id bigint, quantity int, amount numeric",
    "returns": "return_id bigint, order_id bigint, line_number int, returned_at timestamptz, quantity int, refund numeric",
}
Shop = dict[str, list[Row]]


@dataclass
class Making:
    """What a shop is made from."""

    chance: random.Random
    found: dict[str, list[Row]]

    def of_system(self, system: str) -> dict[int, Row]:
        """The customers of a system by their number in the data set; both systems count 1000, 1003, …, so that numbers meet."""
        wanted = {row["customer_id"] for row in self.found["orders"] if row["system"] == system}
        rows = [row for row in self.found["customers"] if row["customer_id"] in wanted]
        self.chance.shuffle(rows)
        named = {"name", "segment", "country", "city"}
        return {
            row["customer_id"]: {"system": system, "customer_id": 1000 + 3 * n, **{k: row[k] for k in row if k in named}}
            for n, row in enumerate(rows)
        }

    def lost(self, value: int, beyond: int) -> int:
        """A reference; one in twelve leads nowhere."""
        return beyond + self.chance.randrange(40) if self.chance.random() < 1 / 12 else value

    def twice(self, rows: list[Row]) -> list[Row]:
        """The rows, some of them delivered a second time."""
        return rows + self.chance.sample(rows, max(2, len(rows) // 15))


def delivered(chance: random.Random, seed: int) -> dict[str, list[Row]]:
    """The data set's rows of the euro countries."""
    data, recipe = dataset("retail"), Recipe(SCALE, seed)
    wanted = ("customers", "products", "stores", "areas", "orders", "order_lines", "returns")
    found = {table: list(data.rows(table, recipe).to_pylist()) for table in wanted}
    found["stores"] = [row for row in found["stores"] if row["currency"] == "EUR"]
    channels = {row["store_id"]: row["channel"] for row in found["stores"]}
    found["orders"] = [row for row in found["orders"] if row["store_id"] in channels]
    for place, row in enumerate(found["orders"]):
        row["system"] = "web" if channels[row["store_id"]] == "web" or place % 3 == 0 else "till"
        row["status"] = "cancelled" if place % 13 == 5 else "completed"
    return found


def shop(seed: int) -> Shop:
    """All that is delivered at first."""
    making = Making(random.Random(seed), {})
    making.found = found = delivered(making.chance, seed)
    systems = {system: making.of_system(system) for system in ("till", "web")}
    orders = {row["order_id"]: row for row in found["orders"]}
    numbers = {row["line_id"]: row["line_number"] for row in found["order_lines"]}
    heads = [
        {
            **row,
            "customer_id": who(making, systems[row["system"]][row["customer_id"]]),
            "store_id": making.lost(row["store_id"], NOWHERE),
        }
        for row in orders.values()
    ]
    lines = [
        {**row, "product_id": making.lost(row["product_id"] * 10 + 7, NOTHING)}
        for row in found["order_lines"]
        if row["order_id"] in orders
    ]
    back = [row for row in found["returns"] if orders.get(row["order_id"], {}).get("status") == "completed"]
    sent = [{**row, "return_id": n, "line_number": numbers[row["line_id"]]} for n, row in enumerate(back, 1)]
    again = [
        {
            **row,
            "return_id": len(sent) + row["return_id"],
            "returned_at": row["returned_at"] + timedelta(days=2),
            "quantity": 1,
            "refund": Decimal(1),
        }
        for row in sent[::3]  # the rest of the line comes back two days later
    ]
    return {
        "customers": only("customers", making.twice([row for rows in systems.values() for row in rows.values()])),
        "products": only(
            "products", making.twice([{**row, "product_id": row["product_id"] * 10 + 7} for row in found["products"]])
        ),
        "stores": only("stores", found["stores"]),
        "areas": only("areas", found["areas"]),
        "orders": only("orders", making.twice(heads)),
        "order_lines": only("order_lines", making.twice(lines)),
        "returns": only("returns", making.twice(sent + again)),
    }


def who(making: Making, customer: Row) -> int | None:
    """The number that an order names: a guest has none, and some lead nowhere."""
    return None if making.chance.random() < 1 / 10 else making.lost(customer["customer_id"], NOBODY)


def only(table: str, rows: list[Row]) -> list[Row]:
    """The rows with the columns that the source table has, in its order."""
    names = [column.split()[0] for column in TABLES[table].split(", ")]
    return [{name: row[name] for name in names} for row in rows]


def later(before: Shop, seed: int) -> Shop:
    """What comes in afterwards: members with smaller numbers, members that facts have waited for, and new orders."""
    chance = random.Random(seed + 1)
    products, customers = before["products"], before["customers"]
    waited = sorted({row["product_id"] for row in before["order_lines"] if row["product_id"] >= NOTHING})[:3]
    awaited = sorted({(row["system"], row["customer_id"]) for row in before["orders"] if (row["customer_id"] or 0) >= NOBODY})[:3]
    new = [{**products[0], "product_id": number, "sku": f"NEW-{number}", "name": f"New {number}"} for number in (3, 5, *waited)]
    people = [("till", 401), ("web", 401), ("web", 404), *awaited]
    last = max(row["order_id"] for row in before["orders"])
    completed = [row for row in before["orders"] if row["status"] == "completed"]
    orders = [{**row, "order_id": last + n, "customer_id": 401} for n, row in enumerate(chance.sample(completed, 8), 1)]
    lines = [
        {
            "order_id": row["order_id"],
            "line_number": 1,
            "product_id": chance.choice([3, 5, products[1]["product_id"]]),
            "quantity": 2,
            "amount": Decimal("9.90"),
        }
        for row in orders
    ]
    return {
        "customers": [
            {**customers[0], "system": system, "customer_id": number, "name": f"New {system} {number}"} for system, number in people
        ],
        "products": new,
        "orders": orders,
        "order_lines": lines,
    }


def add(session: Any, rows: Shop) -> None:
    """Put rows into the source tables."""
    with session.cursor() as cursor:
        for table, found in rows.items():
            execute_values(cursor, f"INSERT INTO raw.{table} VALUES %s", [tuple(row.values()) for row in found], page_size=2000)


def prepare(stack, seed):
    """The source tables in schema raw, as they are delivered: without keys."""
    with connect(stack["primary"].endpoint, seconds=60) as session:
        with session.cursor() as cursor:
            cursor.execute("CREATE SCHEMA raw")
            for table, columns in TABLES.items():
                cursor.execute(f"CREATE TABLE raw.{table} ({columns})")
        add(session, shop(seed))
