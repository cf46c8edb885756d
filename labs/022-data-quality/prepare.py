"""Batches of sold lines, as a shop's till delivers them: lines.csv, products.csv, manifest.json. Good ones, and damaged ones.

`prepare` loads a good one into the schema `raw`, without keys or promises. Run as a program, it makes batches to practise with
in the folder `batches/`.
"""

import csv
import io
import json
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from delab.data import dataset
from delab.services.postgres import connect

COLUMNS = (
    "line_id",
    "order_id",
    "product_id",
    "quantity",
    "unit_price",
    "discount",
    "amount",
    "status",
    "ordered_at",
    "recorded_at",
)
NAMELESS = "(none)"  # stands for the line_id of a row that has none
FAULTS = ("missing", "duplicate", "orphan_key", "wrong_type", "unit_mixup", "out_of_range")  # of lines, planted by the generator
TABLES = """
DROP SCHEMA IF EXISTS raw CASCADE;
CREATE SCHEMA raw;
CREATE TABLE raw.products (product_id bigint);
CREATE TABLE raw.lines (
    line_id bigint, order_id bigint, product_id bigint, quantity integer, unit_price numeric(14, 2), discount numeric(14, 2),
    amount numeric(14, 2), status text, ordered_at timestamp, recorded_at timestamp
);
"""


@dataclass
class Batch:
    """A delivery: what its files hold. `bad` is the truth: for each column or rule the line_ids that break it."""

    rows: list[dict[str, str]]
    products: list[str]
    columns: list[str] = field(default_factory=lambda: list(COLUMNS))
    bad: dict[str, set[str]] = field(default_factory=dict)
    announced: int = -1  # rows that the manifest promises; -1: as many as there are

    def write(self, folder: Path) -> Path:
        """Lay out the three files; returns the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lines.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns, extrasaction="ignore", restval="x")
            writer.writeheader()
            writer.writerows(self.rows)
        (folder / "products.csv").write_text("\n".join(["product_id", *self.products, ""]))
        rows = len(self.rows) if self.announced < 0 else self.announced
        (folder / "manifest.json").write_text(json.dumps({"rows": rows}))
        return folder

    def all_bad(self) -> set[str]:
        """The line_ids of all rows that break a rule."""
        return set().union(*self.bad.values())


def make(seed: int, scale: float, rate: float = 0.0) -> Batch:
    """A batch of the retail data; `rate` of the cells that a fault of the generator can hit are hit."""
    data = dataset("retail")
    recipe = data.recipe(scale, seed, dict.fromkeys(FAULTS, rate) if rate else {})
    clean = data.recipe(scale, seed)
    orders = {order["order_id"]: order for order in data.rows("orders", clean).to_pylist()}
    rows = [row_of(line, orders[line["order_id"]]) for line in data.rows("order_lines", recipe).to_pylist()]
    products = [str(key) for key in data.rows("products", clean)["product_id"].to_pylist()]
    batch = Batch(rows, products)
    if rate:
        for entry in data.planted(recipe, ["order_lines"]).to_pylist():
            batch.bad.setdefault(entry["column"] or "line_id", set()).add(str(entry["key"]))
    return batch


def row_of(line: dict, order: dict) -> dict[str, str]:
    """A line with what is needed of its order, as text."""
    both = {**order, **line}
    return {name: text(both[name]) for name in COLUMNS}


def text(value: object) -> str:
    """A value as it stands in the file."""
    return "" if value is None else str(value)[:19]


def damage(batch: Batch, seed: int, only: str = "") -> Batch:
    """Break each rule in one row of its own (or `only` one rule), rather far down."""
    chance = random.Random(seed)
    places = chance.sample(range(len(batch.rows) * 2 // 3, len(batch.rows)), len(RULES))
    for (name, (column, spoil)), place in zip(RULES.items(), places, strict=True):
        if only in ("", name):
            row = batch.rows[place]
            spoil(batch, row)
            batch.bad.setdefault(f"{name}:{column}", set()).add(row["line_id"] or NAMELESS)
    return batch


def setting(column: str, value: str):
    """Put a value into a column."""
    return lambda batch, row: row.update({column: value})


def sold(quantity: int):
    """Another quantity, without a discount; the amount fits to it."""

    def spoil(batch: Batch, row: dict[str, str]) -> None:
        row.update(quantity=str(quantity), discount="0.00", amount=f"{quantity * Decimal(row['unit_price']):.2f}")

    return spoil


def recorded(**after: int):
    """Recorded that much after the order (or before it)."""

    def spoil(batch: Batch, row: dict[str, str]) -> None:
        row["recorded_at"] = str(datetime.fromisoformat(row["ordered_at"]) + timedelta(**after))

    return spoil


def twice(batch: Batch, row: dict[str, str]) -> None:
    """Delivered once more, at the end."""
    batch.rows.append(dict(row))


def named_alike(batch: Batch, row: dict[str, str]) -> None:
    """Another line, with other values in most columns, has the same line_id."""
    others = (one for one in batch.rows if all(one[name] != row[name] for name in ("order_id", "product_id", "unit_price")))
    batch.rows.append({**next(others), "line_id": row["line_id"]})


def unheard_of(batch: Batch, row: dict[str, str]) -> None:
    """A product that nobody knows; others have lower numbers, and higher ones."""
    row["product_id"] = "2000000124"
    batch.products.append("2000000999")


def dear_and_wrong(batch: Batch, row: dict[str, str]) -> None:
    """A cent too much, in an amount of hundreds of millions."""
    row.update(unit_price="9000000.00", quantity="97", discount="0.00", amount="873000000.01")


def worth_less_than_nothing(batch: Batch, row: dict[str, str]) -> None:
    """A negative price; the amount fits to it."""
    row.update(unit_price="-3.00", quantity="2", discount="0.00", amount="-6.00")


def in_cents(batch: Batch, row: dict[str, str]) -> None:
    """The price in cents, the amount in euros."""
    row["unit_price"] = f"{Decimal(row['unit_price']) * 100:.2f}"


def dearer(batch: Batch, row: dict[str, str]) -> None:
    """A cent more than the other columns say."""
    row["amount"] = f"{Decimal(row['amount']) + Decimal('0.01'):.2f}"


def overdone(batch: Batch, row: dict[str, str]) -> None:
    """A negative discount; the amount fits to it."""
    row["amount"] = f"{Decimal(row['amount']) + Decimal(row['discount']) + 1:.2f}"
    row["discount"] = "-1.00"


# rule: the column that an expectation must look at ("" for a rule of several), and what breaks it
RULES = {
    "missing price": ("unit_price", setting("unit_price", "")),
    "missing time": ("recorded_at", setting("recorded_at", "")),
    "missing status": ("status", setting("status", "")),
    "missing order": ("order_id", setting("order_id", "")),
    "missing line": ("line_id", setting("line_id", "")),
    "missing product": ("product_id", setting("product_id", "")),
    "missing quantity": ("quantity", setting("quantity", "")),
    "missing discount": ("discount", setting("discount", "")),
    "missing amount": ("amount", setting("amount", "")),
    "missing time of the order": ("ordered_at", setting("ordered_at", "")),
    "doubled row": ("line_id", twice),
    "number of another line": ("line_id", named_alike),
    "text for a number": ("quantity", setting("quantity", "1O")),
    "text for a price": ("unit_price", setting("unit_price", "1.9O")),
    "text for a discount": ("discount", setting("discount", "none")),
    "text for an amount": ("", setting("amount", "paid")),
    "text for a time": ("", setting("recorded_at", "at once")),
    "a fraction of a piece": ("quantity", setting("quantity", "1.5")),
    "negative quantity": ("quantity", sold(-2)),
    "quantity of nothing": ("quantity", sold(0)),
    "quantity above 100": ("quantity", sold(101)),
    "price of nothing": ("unit_price", lambda batch, row: row.update(unit_price="0.00", discount="0.00", amount="0.00")),
    "negative price": ("unit_price", worth_less_than_nothing),
    "negative discount": ("discount", overdone),
    "unknown status": ("status", setting("status", "complete")),
    "status in other letters": ("status", setting("status", "Completed")),
    "blanks around the status": ("status", setting("status", " completed  ")),
    "more after the status": ("status", setting("status", "completed?")),
    "unknown product": ("product_id", setting("product_id", "2000000123")),
    "product that is not among the others": ("product_id", unheard_of),
    "price in another unit": ("", in_cents),
    "amount one cent off": ("", dearer),
    "large amount one cent off": ("", dear_and_wrong),
    "recorded a second too late": ("", recorded(days=1, seconds=1)),
    "recorded a second before it was ordered": ("", recorded(seconds=-1)),
}
# What just keeps the rules.
EDGES = (
    sold(1),
    sold(100),
    recorded(days=1),
    recorded(seconds=0),
    setting("status", "cancelled"),
    lambda batch, row: row.update(unit_price="9000000.00", quantity="97", discount="0.01", amount="872999999.99"),
    lambda batch, row: row.update(unit_price="0.01", quantity="1", discount="0.01", amount="0.00"),
)


def at_the_edge(batch: Batch) -> Batch:
    """Some rows get values that are just allowed."""
    for spoil, row in zip(EDGES, batch.rows, strict=False):
        spoil(batch, row)
    return batch


def prepare(stack, seed):
    """Load a delivery that the gate has let through; the size is another one for each seed."""
    batch = make(seed, 0.2 + seed % 7 / 100)
    with connect(stack["warehouse"].endpoint) as session, session.cursor() as cursor:
        cursor.execute(TABLES)
        cursor.copy_expert("COPY raw.products FROM STDIN WITH (FORMAT csv)", as_csv([key] for key in batch.products))
        cursor.copy_expert("COPY raw.lines FROM STDIN WITH (FORMAT csv)", as_csv(row.values() for row in batch.rows))


def as_csv(rows):
    """Rows as a file."""
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    file.seek(0)
    return file


def practice() -> None:
    """Batches to practise with."""
    place = Path("batches")
    make(1, 0.3).write(place / "good-1")
    at_the_edge(make(2, 0.1)).write(place / "good-2")
    for name in RULES:
        damage(make(3, 0.3), 3, name).write(place / name.replace(" ", "-"))
    make(5, 0.3, 0.02).write(place / "many-faults")
    short = make(4, 0.3)
    short.announced = len(short.rows) + 1
    short.write(place / "a-row-is-lost")
    print(f"{len(list(place.iterdir()))} batches in {place}/")


if __name__ == "__main__":
    practice()
