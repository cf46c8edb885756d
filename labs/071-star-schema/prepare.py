"""A shop with two order systems that number their customers for themselves, and with references that lead nowhere.

`shop(seed)` is what is delivered, as rows; later.py has what comes afterwards. verify.py computes the truth from them.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from psycopg2.extras import execute_values

from delab.data import Recipe, dataset
from delab.services.postgres import connect

SCALE = 0.8
NOBODY, NOTHING, NOWHERE = 99_000_000, 88_000_000, 77_000_000  # numbers from here on are of no customer, product, store
AWAITED = 40  # more than these: the one that comes later, and some of whose sales came back
SHORT = 8  # customers of each system with a number of four digits
REGIONS = ("Europe", "Atlantic", "Levant", "Continent")
DISTRICTS = ("Nord", "Süd", "West")  # two in a country: two countries share a name
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
class Areas:
    """The tree of areas as it grows."""

    numbers: Iterator[int]
    rows: list[Row] = field(default_factory=list)

    def add(self, level: str, name: str, parent: int | None = None) -> int:
        """A new area; returns its number."""
        number = next(self.numbers)
        self.rows.append({"area_id": number, "parent_id": parent, "level": level, "name": name})
        return number


def laid_out(chance: random.Random, stores: list[Row], names: dict[str, str]) -> tuple[list[Row], dict[int, int]]:
    """Areas for the stores, in two regions, with districts in all countries but one; and by store the area that it lies in."""
    areas, lies = Areas(iter(chance.sample(range(100, 1000), 300))), dict[int, int]()
    world = areas.add("world", "World")
    regions = [areas.add("region", name, world) for name in chance.sample(REGIONS, 2)]
    countries = sorted({row["country"] for row in stores})
    plain = chance.choice(countries)
    for place, code in enumerate(chance.sample(countries, len(countries))):
        country = areas.add("country", names[code], regions[place % 2])
        wanted = chance.sample(DISTRICTS, 2) if code != plain else []
        districts = [areas.add("district", name, country) for name in wanted] or [country]
        for row in (row for row in stores if row["country"] == code):
            city = row["city"]
            lies[row["store_id"]] = areas.add("city", city, chance.choice(districts)) if city else country
    return areas.rows, lies


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
            row["customer_id"]: {"system": system, "customer_id": numbered(n), **{k: row[k] for k in row if k in named}}
            for n, row in enumerate(rows)
        }

    def lost(self, value: int, beyond: int) -> int:
        """A reference; one in twelve leads nowhere."""
        return beyond + self.chance.randrange(AWAITED) if self.chance.random() < 1 / 12 else value

    def twice(self, rows: list[Row]) -> list[Row]:
        """The rows, some of them delivered a second time."""
        return twice(self.chance, rows)


def numbered(place: int) -> int:
    """The number of a customer: at first four digits, then eight."""
    return (1000 if place < SHORT else 30_001_000) + 3 * place


def twice(chance: random.Random, rows: list[Row]) -> list[Row]:
    """The rows, and some of them at the end once more."""
    return rows + chance.sample(rows, max(2, len(rows) // 15))


def delivered(chance: random.Random, seed: int) -> dict[str, list[Row]]:
    """The data set's rows of the euro countries; numbers of stores, products, orders and returns leave room for others between."""
    data, recipe = dataset("retail"), Recipe(SCALE, seed)
    wanted = ("customers", "products", "stores", "areas", "orders", "order_lines", "returns")
    found = {table: list(data.rows(table, recipe).to_pylist()) for table in wanted}
    found["stores"] = [row for row in found["stores"] if row["currency"] == "EUR"]
    channels = {row["store_id"]: row["channel"] for row in found["stores"]}
    found["orders"] = [row for row in found["orders"] if row["store_id"] in channels]
    names = {row["area_id"]: row["name"] for row in found["areas"]}
    countries = {row["country"]: names[row["area_id"]] for row in found["stores"] if row["channel"] == "web"}
    found["areas"], lies = laid_out(chance, found["stores"], countries)
    for row in found["stores"]:
        row["area_id"] = lies[row["store_id"]]
    for place, row in enumerate(found["orders"]):
        row["system"] = "web" if channels[row["store_id"]] == "web" or place % 3 == 0 else "till"
        row["status"] = "cancelled" if place % 13 == 5 else "completed"
    for table, name, first in (("stores", "store_id", 20_000_000), ("products", "product_id", 40_000_007)):
        for row in found[table]:
            row[name] = first + 10 * row[name]
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
            "order_id": 10 * row["order_id"],
            "customer_id": who(making, systems[row["system"]][row["customer_id"]]),
            "store_id": making.lost(20_000_000 + 10 * row["store_id"], NOWHERE),
        }
        for row in orders.values()
    ]
    lines = [
        {**row, "order_id": 10 * row["order_id"], "product_id": making.lost(40_000_007 + 10 * row["product_id"], NOTHING)}
        for row in found["order_lines"]
        if row["order_id"] in orders
    ]
    back = [row for row in found["returns"] if orders.get(row["order_id"], {}).get("status") == "completed"]
    sent = [
        {**row, "return_id": 10 * n, "order_id": 10 * row["order_id"], "line_number": numbers[row["line_id"]]}
        for n, row in enumerate(back, 1)
    ]
    lead_on(heads, lines, sent, found["stores"], found["products"])
    again = [
        {
            **row,
            "return_id": 10 * len(sent) + row["return_id"],
            "returned_at": row["returned_at"] + timedelta(days=2),
            "quantity": 1,
            "refund": Decimal(1),
        }
        for row in sent[::3]  # the rest of the line comes back two days later
    ]
    return {
        "customers": only("customers", making.twice([row for rows in systems.values() for row in rows.values()])),
        "products": only("products", making.twice(found["products"])),
        "stores": only("stores", making.twice(found["stores"])),
        "areas": only("areas", making.twice(found["areas"])),
        "orders": only("orders", making.twice(heads)),
        "order_lines": only("order_lines", making.twice(lines)),
        "returns": only("returns", making.twice(sent + again)),
    }


def who(making: Making, customer: Row) -> int | None:
    """The number that an order names: a guest has none, and some lead nowhere."""
    return None if making.chance.random() < 1 / 10 else making.lost(customer["customer_id"], NOBODY)


def lead_on(heads: list[Row], lines: list[Row], sent: list[Row], stores: list[Row], products: list[Row]) -> None:
    """Of three orders that came back, one names a customer, one a store, one a product that comes later; all else is known."""
    first, second, third = list(dict.fromkeys(row["order_id"] for row in sent))[:3]
    for row in heads:
        if row["order_id"] in (first, second, third):
            row["customer_id"] = NOBODY + AWAITED if row["order_id"] == first else numbered(0)
            row["store_id"] = NOWHERE + AWAITED if row["order_id"] == second else stores[0]["store_id"]
    for row in lines:
        if row["order_id"] in (first, second, third):
            row["product_id"] = NOTHING + AWAITED if row["order_id"] == third else products[0]["product_id"]


def only(table: str, rows: list[Row]) -> list[Row]:
    """The rows with the columns that the source table has, in its order."""
    names = [column.split()[0] for column in TABLES[table].split(", ")]
    return [{name: row[name] for name in names} for row in rows]


def lay(session: Any, rows: Shop) -> None:
    """Let the source tables hold these rows."""
    with session.cursor() as cursor:
        for table, found in rows.items():
            cursor.execute(f"DELETE FROM raw.{table}")
            execute_values(cursor, f"INSERT INTO raw.{table} VALUES %s", [tuple(row.values()) for row in found], page_size=2000)


def prepare(stack, seed):
    """The source tables in schema raw, as they are delivered: without keys."""
    with connect(stack["primary"].endpoint, seconds=60) as session:
        with session.cursor() as cursor:
            cursor.execute("CREATE SCHEMA raw")
            for table, columns in TABLES.items():
                cursor.execute(f"CREATE TABLE raw.{table} ({columns})")
        lay(session, shop(seed))
