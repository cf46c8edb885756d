"""The two marts that the task asks for: what is true of them, and what known mistakes give."""

from collections.abc import Callable
from dataclasses import dataclass

DAY = "(o.ordered_at AT TIME ZONE 'UTC')::date"
DATE = ("date",)
TEXT = ("text", "character varying", "character")
COUNT = ("smallint", "integer", "bigint", "numeric")
EXACT = ("numeric",)


def daily(schema: str, day: str = DAY, orders: str = "count(DISTINCT o.order_id)", where: str = "o.status = 'completed'") -> str:
    """The query for the sales of a day; other arguments give what a known mistake gives."""
    return (
        f"SELECT {day}, o.currency, {orders}, sum(l.quantity), sum(l.amount) FROM {schema}.orders AS o "
        f"JOIN {schema}.order_lines AS l USING (order_id) WHERE {where} GROUP BY 1, 2"
    )


def customers(schema: str, join: str = "LEFT JOIN", where: str = "o.status = 'completed'") -> str:
    """The query for the orders of a customer."""
    return (
        f"SELECT c.customer_id, c.country, c.segment, count(o.order_id), min({DAY}), max({DAY}) FROM {schema}.customers AS c "
        f"{join} {schema}.orders AS o ON o.customer_id = c.customer_id AND {where} GROUP BY 1, 2, 3"
    )


@dataclass(frozen=True)
class Mart:
    """A model that the task asks for: its columns and their types, how many of them are its key, its truth, known mistakes."""

    name: str
    columns: dict[str, tuple[str, ...]]
    keys: int
    truth: Callable[[str], str]
    mistakes: dict[str, Callable[[str], str]]

    @property
    def key(self) -> str:
        """The columns of its key, for SQL."""
        return ", ".join(list(self.columns)[: self.keys])


DAILY = Mart(
    "daily_sales",
    {"day": DATE, "currency": TEXT, "orders": COUNT, "quantity": COUNT, "revenue": EXACT},
    2,
    daily,
    {
        "`orders` counts the lines": lambda schema: daily(schema, orders="count(*)"),
        "cancelled orders are in it, and open ones": lambda schema: daily(schema, where="true"),
        "open orders are in it": lambda schema: daily(schema, where="o.status <> 'cancelled'"),
        "cancelled and open orders are in it, `orders` counts the lines, by days of the session's zone": lambda schema: daily(
            schema, "o.ordered_at::date", "count(*)", "true"
        ),
        "these are days of the session's time zone, not of UTC": lambda schema: daily(schema, day="o.ordered_at::date"),
    },
)
CUSTOMERS = Mart(
    "customer_orders",
    {"customer_id": COUNT, "country": TEXT, "segment": TEXT, "orders": COUNT, "first_order_on": DATE, "last_order_on": DATE},
    1,
    customers,
    {
        "customers without a completed order are missing": lambda schema: customers(schema, join="JOIN"),
        "cancelled orders are in it, and open ones": lambda schema: customers(schema, where="true"),
        "open orders are in it": lambda schema: customers(schema, where="o.status <> 'cancelled'"),
    },
)
