"""The truth of lab 71, from what was put into the sources: members, facts, and the answers to what a BI tool asks."""

from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

from prepare import Shop

DIMENSIONS = {
    "dim_customer": ("customer", ("system", "customer_id"), ("customer_name", "segment", "country", "city")),
    "dim_product": ("product", ("product_id",), ("sku", "product_name", "department", "category")),
    "dim_store": ("store", ("store_id",), ("store_name", "channel", "city", "district", "country", "region")),
}
Key = tuple[Any, ...]


def members(delivered: Shop, model: str) -> dict[Key, Key]:
    """By natural key: the attributes of each member, as the task names them."""
    if model == "dim_store":
        return {(row["store_id"],): (row["name"], row["channel"], *place(delivered, row["area_id"])) for row in delivered["stores"]}
    table, columns = {
        "dim_customer": ("customers", ("name", "segment", "country", "city")),
        "dim_product": ("products", ("sku", "name", "department", "category")),
    }[model]
    natural = DIMENSIONS[model][1]
    return {tuple(row[name] for name in natural): tuple(row[name] for name in columns) for row in delivered[table]}


def place(delivered: Shop, area: int | None) -> Key:
    """City, district, country and region of an area; none where there is no such level."""
    areas, found = {row["area_id"]: row for row in delivered["areas"]}, {}
    while area is not None:
        found[areas[area]["level"]] = areas[area]["name"]
        area = areas[area]["parent_id"]
    return tuple(found.get(level, "none") for level in ("city", "district", "country", "region"))


class Truth:
    """What the facts must be: each row with the natural keys that it leads to (None: to the unknown member)."""

    def __init__(self, delivered: Shop) -> None:
        self.delivered = delivered
        self.orders = {row["order_id"]: row for row in delivered["orders"] if row["status"] == "completed"}
        self.known = {model: members(delivered, model) for model in DIMENSIONS}
        lines = {(row["order_id"], row["line_number"]): row for row in delivered["order_lines"]}
        self.lines = {key: row for key, row in lines.items() if key[0] in self.orders}
        self.returns = {row["return_id"]: row for row in delivered["returns"]}

    def led_to(self, order: int, line: int) -> dict[str, Key | None]:
        """By dimension: the member that a line leads to."""
        head, row = self.orders[order], self.lines[order, line]
        wanted = {
            "dim_customer": (head["system"], head["customer_id"]),
            "dim_product": (row["product_id"],),
            "dim_store": (head["store_id"],),
        }
        return {model: key if key in self.known[model] else None for model, key in wanted.items()}

    def label(self, model: str, key: Key | None, name: str) -> str:
        """An attribute of a member."""
        return "unknown" if key is None else self.known[model][key][DIMENSIONS[model][2].index(name)]

    def day(self, order: int) -> date:
        """The day of an order."""
        return self.orders[order]["ordered_at"].date()


def answers(truth: Truth) -> dict[str, list[Key]]:
    """What a BI tool asks, and the rows of the answer."""
    months: Counter[Key] = Counter()
    labels: dict[Key, list[Any]] = defaultdict(lambda: [Decimal(0), 0])
    across: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    roles: Counter[Key] = Counter()
    for (order, line), row in truth.lines.items():
        led, day = truth.led_to(order, line), truth.day(order)
        months[day.year, day.month] += row["amount"]
        cell = labels[tuple(truth.label(*pair) for pair in tagged(led))]
        cell[0], cell[1] = cell[0] + row["amount"], cell[1] + 1
        across[truth.label("dim_product", led["dim_product"], "department")][0] += row["amount"]
    for row in truth.returns.values():
        led = truth.led_to(row["order_id"], row["line_number"])
        across[truth.label("dim_product", led["dim_product"], "department")][1] += row["refund"]
        roles[truth.day(row["order_id"]).month, row["returned_at"].month] += 1
    return {
        "revenue by month": [(*key, value) for key, value in months.items()],
        "revenue by region, department and segment": [(*key, *value) for key, value in labels.items()],
        "revenue and refunds by department (drilling across)": [(key, *value) for key, value in across.items()],
        "returns by month of order and month of return": [(*key, value) for key, value in roles.items()],
    }


def tagged(led: dict[str, Key | None]) -> list[tuple[str, Key | None, str]]:
    """The labels of the second query."""
    names = {"dim_store": "region", "dim_product": "department", "dim_customer": "segment"}
    return [(model, led[model], name) for model, name in names.items()]
