"""Mistakes of a loader, and what only looks like one: SQL for rows that the seed chooses."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from delab.checks import Database
from delab.checks.dbt import Element

UNKNOWN = 900_000_000  # a number that nobody has
STATUSES = ("completed", "cancelled")
METHODS = ("card", "bank transfer", "wallet", "cash on delivery", "voucher")
# What a list that is too long, a pattern or a function lets pass.
NO_STATUSES = ("open", "Cancelled", "completed ", "not completed", "returned", "")
NO_METHODS = ("paypal", "Card", "cash", "gift card", "card ", "")

# Mistakes are planted where no other rule is touched: cancelled orders are not paid, declined payments pay nothing.
CANCELLED = "SELECT order_id FROM raw.orders WHERE status = 'cancelled' AND order_id IN (SELECT order_id FROM raw.order_lines)"
COMPLETED = CANCELLED.replace("cancelled", "completed")
ORDERS = "order_id, ordered_at, recorded_at, customer_id, store_id, promotion_id, currency, status"
LINES = "line_id, order_id, line_number, product_id, quantity, unit_price, discount, amount"
PAYMENTS = "payment_id, order_id, paid_at, method, amount, currency, status"
FREE = {"quantity": "0", "discount": "0", "amount": "0"}  # of a line that changes no sum


def copy(table: str, columns: str, where: str, **other: str) -> str:
    """A statement that adds a copy of one row, in which some columns are others."""
    chosen = ", ".join(other.get(column, column) for column in columns.split(", "))
    return f"INSERT INTO raw.{table} ({columns}) SELECT {chosen} FROM raw.{table} WHERE {where} LIMIT 1"


def change(table: str, where: str, what: str, rows: int = 1) -> str:
    """A statement that changes some rows."""
    return f"UPDATE raw.{table} SET {what} WHERE ctid IN (SELECT ctid FROM raw.{table} WHERE {where} ORDER BY ctid LIMIT {rows})"


def placed(order: int, at: str, recorded: str) -> str:
    """A statement that changes when an order was placed and recorded: times in UTC, or null."""
    times = [f"'{time} UTC'" if time != "null" else time for time in (at, recorded)]
    return change("orders", f"order_id = {order}", f"ordered_at = {times[0]}, recorded_at = {times[1]}")


def bought(order: int, number: int) -> str:
    """Statements that add a line with this number to an order, and its payment."""
    one, five = f"order_id = {order}", {"amount": "5", "unit_price": "5", "quantity": "1", "discount": "0"}
    line = copy("order_lines", LINES, one, line_id=str(UNKNOWN), line_number=str(number), **five)
    paid = f"{one} AND status = 'captured'"
    voucher = {"payment_id": str(UNKNOWN), "amount": "5", "method": "'voucher'"}
    return f"{line}; {copy('payments', PAYMENTS, paid, **voucher)}"


def literals(tests: Sequence[Element]) -> set[str]:
    """The texts that stand in the SQL of tests: the values that a list which is too long accepts are among them."""
    return {text for test in tests for text in re.findall(r"'([^'\n%]{1,40})'", test.compiled_code or "")}


@dataclass(frozen=True)
class Planted:
    """A mistake in the source: what it is, how it is made, and how loud the tests must be."""

    what: str
    sql: str
    want: str = "fail"


class Plants:
    """Mistakes at rows that the seed chooses: `one`, `two`, `three` are completed orders since 2025, `old` is one before."""

    def __init__(self, chance: random.Random, database: Database) -> None:
        paid = "(SELECT count(*) FROM raw.payments AS p WHERE p.order_id = orders.order_id AND p.status = 'captured') = 1"
        orders = f"SELECT order_id FROM raw.orders WHERE status = 'completed' AND {paid} AND ordered_at"
        new = database.rows(f"{orders} >= '2025-01-02 00:00 UTC' ORDER BY 1")
        old = database.rows(f"{orders} < '2024-12-31 00:00 UTC' ORDER BY 1")
        self.one, self.two, self.three = (number for (number,) in chance.sample(new, 3))
        [(self.old,)] = chance.sample(old, 1)
        first = "SELECT order_id FROM raw.order_lines WHERE line_number = 1"
        beside = f"order_id * 10 + 1 IN ({first}) AND ('1' || order_id)::bigint IN ({first})"
        captured = "order_id IN (SELECT order_id FROM raw.payments WHERE status = 'captured')"
        self.short = database.value(f"SELECT max(order_id) FROM ({COMPLETED}) AS c WHERE {captured} AND {beside}")
        self.cents = chance.randint(2, 99)

    def keys(self) -> list[Planted]:
        """Rules 1 and 2."""
        late, one, line = "recorded_at + interval '1 minute'", f"order_id = {self.one}", f"order_id IN ({CANCELLED})"
        product = "(SELECT max(p.product_id) FROM raw.products AS p WHERE p.product_id <> order_lines.product_id)"
        return [
            Planted(f"order {self.one} twice", copy("orders", ORDERS, one)),
            Planted(
                f"order {self.one} twice, the second time recorded a minute later", copy("orders", ORDERS, one, recorded_at=late)
            ),
            Planted(f"order {self.old} of 2024 twice", copy("orders", ORDERS, f"order_id = {self.old}")),
            Planted("a cancelled order twice", copy("orders", ORDERS, line)),
            Planted("an order without a number", copy("orders", ORDERS, one, order_id="NULL")),
            Planted(
                "an order line twice, the second time with a line_id of its own",
                copy("order_lines", LINES, line, line_id=str(UNKNOWN)),
            ),
            Planted(
                "two products under the same line number of an order",
                copy("order_lines", LINES, line, line_id=str(UNKNOWN), product_id=product, quantity="quantity + 1"),
            ),
            Planted(
                f"two products under the same line number of order {self.one}",
                copy("order_lines", LINES, one, line_id=str(UNKNOWN), product_id=product, **FREE),
            ),
        ]

    def references(self) -> list[Planted]:
        """Rules 3, 4 and 5."""
        line, bought = f"order_id IN ({CANCELLED})", f"order_id = {self.one}"
        new = {"line_id": str(UNKNOWN), "line_number": "97"}
        two, three, old = (f"order_id = {order}" for order in (self.two, self.three, self.old))
        cancelled = f"order_id = (SELECT max(order_id) FROM ({CANCELLED}) AS c)"
        return [
            Planted("a line of an order that does not exist", change("order_lines", line, f"order_id = {UNKNOWN}")),
            Planted("a line without an order", change("order_lines", line, "order_id = NULL")),
            Planted("a new line of an order that does not exist", copy("order_lines", LINES, bought, order_id=str(UNKNOWN), **new)),
            Planted("an order of a customer who does not exist", change("orders", two, f"customer_id = {UNKNOWN}")),
            Planted("an order without a customer", change("orders", two, "customer_id = NULL")),
            Planted("a cancelled order without a customer", change("orders", cancelled, "customer_id = NULL")),
            Planted("an order of 2024 whose customer does not exist", change("orders", old, f"customer_id = {UNKNOWN}")),
            Planted("an order with a promotion that does not exist", change("orders", three, f"promotion_id = {UNKNOWN}")),
            Planted("an order of 2024 with a promotion that does not exist", change("orders", old, f"promotion_id = {UNKNOWN}")),
        ]

    def values(self, tests: Sequence[Element]) -> list[Planted]:
        """Rule 6; also with each text that the tests themselves speak of."""
        order, declined, captured = "status = 'cancelled'", "status = 'declined'", "status = 'captured'"
        spoken = sorted(literals(tests))
        statuses = dict.fromkeys([*NO_STATUSES, *METHODS, *spoken])
        methods = dict.fromkeys([*NO_METHODS, *STATUSES, *spoken])
        return [
            *(
                Planted(f"the order status `{text}`", change("orders", order, f"status = '{text}'"))
                for text in statuses
                if text not in STATUSES
            ),
            Planted("an order without a status", change("orders", order, "status = NULL")),
            *(
                Planted(f"the payment method `{text}`", change("payments", declined, f"method = '{text}'"))
                for text in methods
                if text not in METHODS
            ),
            Planted("a payment without a method", change("payments", declined, "method = NULL")),
            Planted("a captured payment without a method", change("payments", captured, "method = NULL")),
        ]

    def sums(self) -> list[Planted]:
        """Rule 7."""
        one, two, old = (f"order_id = {order} AND status = 'captured'" for order in (self.one, self.two, self.old))
        more, less = (f"amount = amount {sign} 0.{self.cents:02d}" for sign in "+-")
        cent = {sign: f"amount = amount {sign} 0.01" for sign in "+-"}
        return [
            Planted(f"order {self.one} is not paid", f"DELETE FROM raw.payments WHERE {one}"),
            Planted(f"order {self.one} is paid and has no lines", f"DELETE FROM raw.order_lines WHERE order_id = {self.one}"),
            Planted(f"0.{self.cents:02d} too much paid for order {self.one}", change("payments", one, more)),
            Planted(f"0.01 too much paid for order {self.one}", change("payments", one, cent["+"])),
            Planted(f"0.01 too little paid for order {self.two}", change("payments", two, cent["-"])),
            Planted(f"0.01 too little paid for order {self.old} of 2024", change("payments", old, cent["-"])),
            Planted(
                "too much paid for one order, and as much too little for another",
                f"{change('payments', one, more)}; {change('payments', two, less)}",
            ),
            Planted(f"order {self.one} is paid twice", copy("payments", PAYMENTS, one, payment_id=str(UNKNOWN))),
            Planted(f"the only payment of order {self.one} was declined", change("payments", one, "status = 'declined'")),
            Planted(f"the only payment of order {self.one} is still pending", change("payments", one, "status = 'pending'")),
        ]

    def thresholds(self) -> list[Planted]:
        """Rule 8."""
        line = f"order_id IN ({CANCELLED})"

        def unknown(rows: int, want: str, where: str = line, product: str = str(UNKNOWN)) -> Planted:
            sold = "" if where == line else ", in completed orders"
            which = "" if product == str(UNKNOWN) else ", each another"
            what = f"{rows} lines of products that do not exist{which}{sold}"
            return Planted(what, change("order_lines", where, f"product_id = {product}", rows), want)

        bought, each = f"order_id IN ({COMPLETED})", f"{UNKNOWN} + line_id"
        return [
            *(unknown(1, "warn"), unknown(5, "warn"), unknown(6, "fail"), unknown(9, "fail")),
            *(
                unknown(5, "warn", bought),
                unknown(6, "fail", bought),
                unknown(5, "warn", line, each),
                unknown(6, "fail", line, each),
            ),
        ]

    def late(self) -> list[Planted]:
        """Rule 9."""
        order = f"order_id = {self.three}"
        return [
            Planted(
                "an order of 2025 that is recorded two days later",
                change("orders", order, "recorded_at = ordered_at + interval '2 days'"),
            ),
            Planted("an order of 2025 that was never recorded", change("orders", order, "recorded_at = NULL")),
            Planted(
                "an order of the first hour that is recorded at ten on the next day",
                placed(self.three, "2025-05-06 00:30", "2025-05-07 10:00"),
            ),
            Planted(
                "an order that is recorded 24 hours and a minute later", placed(self.three, "2025-09-09 14:00", "2025-09-10 14:01")
            ),
            Planted("the first order of 2025 (UTC), never recorded", placed(self.three, "2025-01-01 00:00", "null")),
            Planted("an order of 2027, never recorded", placed(self.three, "2027-03-04 05:00", "null")),
            Planted("an order of 2031, recorded two days later", placed(self.three, "2031-03-04 05:00", "2031-03-06 05:00")),
            Planted(
                "a cancelled order of 2025 that was never recorded",
                f"{change('orders', order, 'recorded_at = NULL')}; UPDATE raw.orders SET status = 'cancelled' WHERE {order}; "
                f"UPDATE raw.payments SET status = 'declined' WHERE {order}",
            ),
        ]

    def harmless(self) -> list[Planted]:
        """What is right, though a hasty test may think otherwise."""
        one, captured = f"order_id = {self.one}", f"order_id = {self.one} AND status = 'captured'"
        old = "UPDATE raw.orders SET recorded_at = ordered_at + interval '20 days' WHERE ordered_at < '2024-06-01'"
        cancelled = {"payment_id": str(UNKNOWN), "order_id": f"(SELECT max(order_id) FROM ({CANCELLED}) AS c)"}
        nothing = f"DELETE FROM raw.order_lines WHERE {one}; DELETE FROM raw.payments WHERE {one}"
        return [
            Planted("a customer without an address", change("customers", "email IS NOT NULL", "email = NULL"), "pass"),
            Planted("no order has a promotion", "UPDATE raw.orders SET promotion_id = NULL", "pass"),
            Planted("an order of 2024 that was typed in twenty days later", old, "pass"),
            Planted(
                "an order of 2024-12-31 23:30 (UTC) that was typed in nine days later",
                placed(self.three, "2024-12-31 23:30", "2025-01-09 12:00"),
                "pass",
            ),
            Planted(
                "an order that is recorded 23 hours later, on the next day",
                placed(self.three, "2025-05-06 20:00", "2025-05-07 19:00"),
                "pass",
            ),
            Planted("the same product twice in an order, on two lines, and a second payment for it", bought(self.one, 99), "pass"),
            Planted(
                f"line 11 of order {self.short}: written without a space, its numbers look like line 1 of order {self.short}1",
                bought(self.short, 11),
                "pass",
            ),
            Planted(
                "one more declined payment", copy("payments", PAYMENTS, "status = 'declined'", payment_id=str(UNKNOWN)), "pass"
            ),
            Planted("a captured payment for a cancelled order", copy("payments", PAYMENTS, captured, **cancelled), "pass"),
            Planted("a completed order with neither lines nor payments: both sums are 0", nothing, "pass"),
        ]
