"""Changes of orders as a source database sends them, and what the table must hold after them."""

import random
from pathlib import Path
from typing import Any

import pyarrow as arrow
from pyarrow import parquet

TYPES = {
    "order_id": arrow.int64(),
    "op": arrow.string(),
    "status": arrow.string(),
    "amount": arrow.float64(),
    "seq": arrow.int64(),
}
CHANNEL = {**TYPES, "channel": arrow.string()}
TEXT = {**TYPES, "amount": arrow.string()}
SHORT = {**TYPES, "seq": arrow.int32()}
CODED = {**TYPES, "channel": arrow.int64()}
STATES = ("new", "paid", "sent", "returned")
Row = dict[str, Any]
State = dict[int, Row]


class Feed:
    """Makes changes, numbered in the order in which they happened."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(f"feed {seed}")
        self.seq = self.chance.randrange(10_000, 90_000)

    def change(self, order: int, op: str = "upsert", **more: Any) -> Row:
        """The next change of an order; a deletion says nothing but that."""
        self.seq += self.chance.randrange(1, 5)
        gone = op == "delete"
        about = {"status": None if gone else self.chance.choice(STATES), "amount": None if gone else self.amount()}
        return {"order_id": order, "op": op, **about, "seq": self.seq, **more}

    def amount(self) -> float:
        """Money that floating point holds exactly."""
        return self.chance.randrange(4, 4000) / 4

    def history(self, orders: list[int]) -> list[Row]:
        """One to four changes of each order: some are deleted, some of these come back."""
        made = [self.change(order) for order in orders for _ in range(self.chance.randrange(1, 4))]
        gone = self.chance.sample(orders, len(orders) // 5)
        made += [self.change(order, "delete") for order in gone]
        return made + [self.change(order) for order in gone[: len(gone) // 3]]

    def sent(self, changes: list[Row]) -> list[Row]:
        """In any order, some of them twice."""
        twice = self.chance.sample(changes, max(1, len(changes) // 10))
        return self.chance.sample([*changes, *twice], len(changes) + len(twice))


def write(path: Path, changes: list[Row], types: dict[str, arrow.DataType] | None = None) -> Path:
    """A batch as a Parquet file."""
    schema = arrow.schema(list((types or TYPES).items()))
    parquet.write_table(arrow.Table.from_pylist(changes, schema=schema), path)
    return path


def after(state: State, changes: list[Row]) -> State:
    """What the table holds after a batch: for each order its newest change; columns that a change lacks stay as they are."""
    now = dict(state)
    for change in sorted(changes, key=lambda change: change["seq"]):
        known = now.get(change["order_id"])
        if known is None or change["seq"] > known["seq"]:
            own = {key: value for key, value in change.items() if key != "op"}
            now[change["order_id"]] = {**(known or {}), **own, "deleted": change["op"] == "delete"}
    return now


def comparable(row: Row, columns: tuple[str, ...] = ()) -> tuple[Any, ...]:
    """What is judged of a row: of a deleted order only that it is."""
    gone = bool(row.get("deleted"))
    rest = () if gone else (row.get("status"), row.get("amount"), *(row.get(column) for column in columns))
    return (row.get("order_id"), row.get("seq"), gone, *rest)
