"""What comes into the warehouse past the gate: mistakes that a schema test must see, and rows that only look odd."""

from dataclasses import dataclass

from prepare import COLUMNS

NOBODY = 900_000_000  # a number that nobody has


@dataclass(frozen=True)
class Planted:
    """A change of the loaded rows: what it is, and the SQL that makes it so."""

    what: str
    sql: str


def change(what: str, place: int, where: str = "true") -> str:
    """SQL that changes one row."""
    row = f"SELECT ctid FROM raw.lines WHERE {where} ORDER BY line_id LIMIT 1 OFFSET {place}"
    return f"UPDATE raw.lines SET {what} WHERE ctid = ({row})"


def again(place: int, **other: str) -> str:
    """SQL that adds a row once more, with something else in some columns."""
    values = ", ".join(other.get(column, column) for column in COLUMNS)
    return f"INSERT INTO raw.lines ({', '.join(COLUMNS)}) SELECT {values} FROM raw.lines ORDER BY line_id LIMIT 1 OFFSET {place}"


def mistakes(place: int) -> list[Planted]:
    """Rules 3, 4, 7 and 8; `place` says at which row."""
    return [
        *(Planted(f"a line without {column}", change(f"{column} = NULL", place)) for column in COLUMNS),
        Planted("a line that was loaded twice", again(place)),
        Planted("another line with the same line_id", again(place, order_id="order_id + 1", quantity="quantity % 100 + 1")),
        Planted("the status `complete`", change("status = 'complete'", place)),
        Planted("the status `Completed`", change("status = 'Completed'", place)),
        Planted("the status `cancelled` with a blank after it", change("status = 'cancelled '", place)),
        Planted("a product that does not exist", change(f"product_id = {NOBODY}", place)),
    ]


def harmless(place: int) -> list[Planted]:
    """What keeps the rules."""
    return [
        Planted("a product that nobody has bought yet", f"INSERT INTO raw.products VALUES ({NOBODY})"),
        Planted("the same product twice in an order, on two lines", again(place, line_id=str(NOBODY))),
        Planted("a line that was cancelled", change("status = 'cancelled'", place, "status = 'completed'")),
        Planted("a dear line without discount", change("unit_price = 9000000, discount = 0, amount = 9000000 * quantity", place)),
    ]
