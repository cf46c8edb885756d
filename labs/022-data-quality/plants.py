"""What comes into the warehouse past the gate: mistakes that a schema test must see, and rows that only look odd."""

from dataclasses import dataclass

from prepare import COLUMNS

NOBODY = 900_000_000  # a number that nobody has
ENDS = {"near the last line": "DESC", "near the first line": ""}


@dataclass(frozen=True)
class Planted:
    """A change of the loaded rows: what it is, and the SQL that makes it so."""

    what: str
    sql: str


# What a line with the same line_id has in all other columns: something else.
OTHER = {
    "order_id": "order_id + 1",
    "product_id": "(SELECT min(product_id) FROM raw.products AS other WHERE other.product_id <> lines.product_id)",
    "quantity": "quantity % 100 + 1",
    "unit_price": "unit_price + 1",
    "discount": "discount + 1",
    "amount": "(quantity % 100 + 1) * (unit_price + 1) - discount - 1",
    "status": "CASE status WHEN 'completed' THEN 'cancelled' ELSE 'completed' END",
    "ordered_at": "ordered_at + interval '1 hour'",
    "recorded_at": "recorded_at + interval '1 hour'",
}


def change(what: str, place: int, where: str = "true", order: str = "") -> str:
    """SQL that changes one row."""
    row = f"SELECT ctid FROM raw.lines WHERE {where} ORDER BY line_id {order} LIMIT 1 OFFSET {place}"
    return f"UPDATE raw.lines SET {what} WHERE ctid = ({row})"


def again(place: int, order: str = "", **other: str) -> str:
    """SQL that adds a row once more, with something else in some columns."""
    values = ", ".join(other.get(column, column) for column in COLUMNS)
    found = f"SELECT {values} FROM raw.lines ORDER BY lines.line_id {order} LIMIT 1 OFFSET {place}"
    return f"INSERT INTO raw.lines ({', '.join(COLUMNS)}) {found}"


def mistakes(place: int) -> list[Planted]:
    """Rules 3, 4, 7 and 8, each broken near the last line and near the first; `place` says how near."""
    return [Planted(f"{near}, {what}", sql) for near, order in ENDS.items() for what, sql in broken(place, order).items()]


def broken(place: int, order: str) -> dict[str, str]:
    """What breaks the rules, and the SQL that does it."""
    unknown = change(f"product_id = {NOBODY}", place, order=order)
    return {
        **{f"a line without {column}": change(f"{column} = NULL", place, order=order) for column in COLUMNS},
        "a line that was loaded twice": again(place, order),
        "another line with the same line_id": again(place, order, **OTHER),
        "the status `complete`": change("status = 'complete'", place, order=order),
        "the status `Completed`": change("status = 'Completed'", place, order=order),
        "the status `cancelled` with a blank after it": change("status = 'cancelled '", place, order=order),
        "the status `completed` with more after it": change("status = 'completed?'", place, order=order),
        "a product that does not exist": unknown,
        "a product that does not exist, among others": f"INSERT INTO raw.products VALUES ({NOBODY + 1}); {unknown}",
    }


def harmless(place: int) -> list[Planted]:
    """What keeps the rules."""
    return [
        Planted("a product that nobody has bought yet", f"INSERT INTO raw.products VALUES ({NOBODY})"),
        Planted("the same product twice in an order, on two lines", again(place, line_id=str(NOBODY))),
        Planted("a line that was cancelled", change("status = 'cancelled'", place, "status = 'completed'")),
        Planted("a dear line without discount", change("unit_price = 9000000, discount = 0, amount = 9000000 * quantity", place)),
    ]
