"""What lies in the sources of lab 71 some days later: `later(shop, seed)`; more has come in, and some of it was corrected."""

import itertools
import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

from prepare import AWAITED, NOBODY, NOTHING, NOWHERE, Areas, Row, Shop, twice


def later(before: Shop, seed: int) -> Shop:
    """All that is there some days later: more members, orders and returns, second deliveries, and corrections."""
    chance, more = random.Random(seed + 1), new_members(before)
    now = {table: corrected(table, rows) + more.get(table, []) for table, rows in before.items()}
    completed = [row for row in before["orders"] if row["status"] == "completed"]
    stores, products = ([row[name] for row in more[table]] for table, name in (("stores", "store_id"), ("products", "product_id")))
    orders = [
        {**row, "order_id": row["order_id"] - 3, "customer_id": 401, "store_id": chance.choice([*stores, row["store_id"]])}
        for row in chance.sample(list({row["order_id"]: row for row in completed}.values()), 8)
    ]
    lines = [
        {"order_id": row["order_id"], "line_number": 1, "product_id": product, "quantity": 2, "amount": Decimal("9.90")}
        for row, product in zip(orders, itertools.cycle(products), strict=False)
    ]
    days = {row["order_id"]: row["ordered_at"] for row in completed + orders}
    sold = [row for row in before["order_lines"] if row["order_id"] in days]
    back = [
        {
            "return_id": 10 * n - 4,
            "order_id": row["order_id"],
            "line_number": row["line_number"],
            "returned_at": days[row["order_id"]] + timedelta(days=9),
            "quantity": 1,
            "refund": Decimal("2.50"),
        }
        for n, row in enumerate(chance.sample(sold, 4) + lines[:2], 1)
    ]
    now |= {"orders": now["orders"] + orders, "order_lines": now["order_lines"] + lines, "returns": now["returns"] + back}
    return {table: twice(chance, rows) for table, rows in now.items()}


def new_members(before: Shop) -> Shop:
    """Members with smaller numbers than those that are there, and some that facts have waited for."""
    references = {
        "products": sorted({row["product_id"] for row in before["order_lines"] if row["product_id"] >= NOTHING}),
        "stores": sorted({row["store_id"] for row in before["orders"] if row["store_id"] >= NOWHERE}),
        "customers": sorted(
            {(row["system"], row["customer_id"]) for row in before["orders"] if (row["customer_id"] or 0) >= NOBODY}
        ),
    }
    products, stores, customers = (found[:2] + [one for one in found[2:] if awaited(one)] for found in references.values())
    areas, city, country = new_places(before["areas"])
    people = [("till", 401), ("web", 401), ("web", 404), *customers]
    return {
        "areas": areas,
        "stores": [
            {"store_id": number, "name": f"New {number}", "channel": channel, "area_id": area}
            for number, (channel, area) in zip(
                (19_000_003, 19_000_005, *stores), [("web", country), *[("shop", city)] * 9], strict=False
            )
        ],
        "products": [
            {**before["products"][0], "product_id": number, "sku": f"NEW-{number}", "name": f"New {number}"}
            for number in (39_000_003, 39_000_005, *products)
        ],
        "customers": [
            {**before["customers"][0], "system": system, "customer_id": number, "name": f"New {system} {number}"}
            for system, number in people
        ],
    }


def awaited(reference: Any) -> bool:
    """Whether a reference is one that is sure to be there."""
    number = reference[1] if isinstance(reference, tuple) else reference
    return number in (NOBODY + AWAITED, NOTHING + AWAITED, NOWHERE + AWAITED)


def corrected(table: str, rows: list[Row]) -> list[Row]:
    """The rows, some of them corrected: each delivery of them alike, under the same number."""
    changes = {
        "customers": ("customer_id", {"segment": "club"}),
        "products": ("product_id", {"category": "Seasonal"}),
        "stores": ("store_id", {"name": "Renamed"}),
        "areas": ("area_id", {"name": "Renamed"}),
    }
    if table not in changes:
        return list(rows)
    name, change = changes[table]
    chosen = sorted({row[name] for row in rows})[1::7]
    return [{**row, **change} if row[name] in chosen else row for row in rows]


def new_places(areas: list[Row]) -> tuple[list[Row], int, int]:
    """A region with a country, a district and a city that are new; the rows, and the numbers of the city and of the country."""
    grown = Areas(iter(range(1, 100)))
    world = next(row["area_id"] for row in areas if row["level"] == "world")
    country = grown.add("country", "Malta", grown.add("region", "Islands", world))
    return grown.rows, grown.add("city", "Ir-Rabat", grown.add("district", "Għawdex", country)), country
