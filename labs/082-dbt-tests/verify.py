"""Checks of lab 82: tests that stay silent on good rows and speak up for each planted mistake, as loudly as asked."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from delab.checks import Database, expect, fail, main
from delab.checks.dbt_tests import Told, judge

MODELS = ("customers", "products", "promotions", "orders", "order_lines", "payments")
UNKNOWN = 900_000_000  # a number that nobody has
KEPT = 800_000_001  # the order of the line that is kept for support

# Mistakes are planted where no other rule is touched: cancelled orders are not paid, declined payments pay nothing.
CANCELLED = "SELECT order_id FROM raw.orders WHERE status = 'cancelled' AND order_id IN (SELECT order_id FROM raw.order_lines)"
LINE = f"SELECT ctid FROM raw.order_lines WHERE order_id IN ({CANCELLED})"
ORDERS = "order_id, ordered_at, recorded_at, customer_id, store_id, promotion_id, currency, status"
LINES = "line_id, order_id, line_number, product_id, quantity, unit_price, discount, amount"
PAYMENTS = "payment_id, order_id, paid_at, method, amount, currency, status"


def copy(table: str, columns: str, where: str, **other: str) -> str:
    """A statement that adds a copy of one row, in which some columns are others."""
    chosen = ", ".join(other.get(column, column) for column in columns.split(", "))
    return f"INSERT INTO raw.{table} ({columns}) SELECT {chosen} FROM raw.{table} WHERE {where} LIMIT 1"


def change(table: str, where: str, what: str, rows: int = 1) -> str:
    """A statement that changes some rows."""
    return f"UPDATE raw.{table} SET {what} WHERE ctid IN (SELECT ctid FROM raw.{table} WHERE {where} ORDER BY ctid LIMIT {rows})"


@dataclass(frozen=True)
class Planted:
    """A mistake in the source: what it is, how it is made, and how loud the tests must be."""

    what: str
    sql: str
    want: str = "fail"


class Plants:
    """Mistakes at rows that the seed chooses."""

    def __init__(self, chance: random.Random, database: Database) -> None:
        orders = database.rows(
            "SELECT order_id FROM raw.orders WHERE status = 'completed' AND ordered_at >= '2025-01-02' "
            "AND (SELECT count(*) FROM raw.payments AS p WHERE p.order_id = orders.order_id AND p.status = 'captured') = 1"
        )
        self.one, self.two, self.three = (row[0] for row in chance.sample(orders, 3))
        self.cents = chance.randint(1, 99)

    def keys(self) -> list[Planted]:
        """Rules 1 and 2."""
        return [
            Planted(f"order {self.one} twice", copy("orders", ORDERS, f"order_id = {self.one}")),
            Planted("an order without a number", copy("orders", ORDERS, f"order_id = {self.one}", order_id="NULL")),
            Planted(
                "an order line twice, the second time with a line_id of its own",
                copy("order_lines", LINES, f"order_id IN ({CANCELLED})", line_id=str(UNKNOWN)),
            ),
            Planted(
                "two products under the same line number of an order",
                copy("order_lines", LINES, f"order_id IN ({CANCELLED})", line_id=str(UNKNOWN), quantity="quantity + 1"),
            ),
        ]

    def references(self) -> list[Planted]:
        """Rules 3, 4 and 5."""
        line = f"order_id IN ({CANCELLED})"
        return [
            Planted("a line of an order that does not exist", change("order_lines", line, f"order_id = {UNKNOWN}")),
            Planted("a line without an order", change("order_lines", line, "order_id = NULL")),
            Planted(
                "an order of a customer who does not exist", change("orders", f"order_id = {self.two}", f"customer_id = {UNKNOWN}")
            ),
            Planted("an order without a customer", change("orders", f"order_id = {self.two}", "customer_id = NULL")),
            Planted(
                "an order with a promotion that does not exist",
                change("orders", f"order_id = {self.three}", f"promotion_id = {UNKNOWN}"),
            ),
        ]

    def values(self) -> list[Planted]:
        """Rule 6."""
        order, payment = "status = 'cancelled'", "status = 'declined'"
        return [
            Planted("the order status `open`", change("orders", order, "status = 'open'")),
            Planted("the order status `Cancelled`", change("orders", order, "status = 'Cancelled'")),
            Planted("an order without a status", change("orders", order, "status = NULL")),
            Planted("the payment method `paypal`", change("payments", payment, "method = 'paypal'")),
            Planted("a payment without a method", change("payments", payment, "method = NULL")),
        ]

    def sums(self) -> list[Planted]:
        """Rule 7."""
        one, two = (f"order_id = {order} AND status = 'captured'" for order in (self.one, self.two))
        more, less = (f"amount = amount {sign} 0.{self.cents:02d}" for sign in "+-")
        return [
            Planted(f"order {self.one} is not paid", f"DELETE FROM raw.payments WHERE {one}"),
            Planted(f"0.{self.cents:02d} too much paid for order {self.one}", change("payments", one, more)),
            Planted(
                "too much paid for one order, and as much too little for another",
                f"{change('payments', one, more)}; {change('payments', two, less)}",
            ),
            Planted(f"order {self.one} is paid twice", copy("payments", PAYMENTS, one, payment_id=str(UNKNOWN))),
        ]

    def thresholds(self) -> list[Planted]:
        """Rule 8."""
        line = f"order_id IN ({CANCELLED})"

        def unknown(rows: int, want: str) -> Planted:
            return Planted(
                f"{rows} lines of products that do not exist", change("order_lines", line, f"product_id = {UNKNOWN}", rows), want
            )

        return [unknown(1, "warn"), unknown(5, "warn"), unknown(6, "fail"), unknown(9, "fail")]

    def late(self) -> list[Planted]:
        """Rule 9."""
        order = f"order_id = {self.three}"
        return [
            Planted(
                "an order of 2025 that is recorded two days later",
                change("orders", order, "recorded_at = ordered_at + interval '2 days'"),
            ),
            Planted("an order of 2025 that was never recorded", change("orders", order, "recorded_at = NULL")),
        ]

    def harmless(self) -> list[Planted]:
        """What is right, though a hasty test may think otherwise."""
        one = f"order_id = {self.one}"
        both = copy(
            "order_lines",
            LINES,
            one,
            line_id=str(UNKNOWN),
            line_number="99",
            amount="5",
            unit_price="5",
            quantity="1",
            discount="0",
        )
        paid = copy("payments", PAYMENTS, f"{one} AND status = 'captured'", payment_id=str(UNKNOWN), amount="5", method="'voucher'")
        old = "UPDATE raw.orders SET recorded_at = ordered_at + interval '20 days' WHERE ordered_at < '2024-06-01'"
        return [
            Planted("a customer without an address", change("customers", "email IS NOT NULL", "email = NULL"), "pass"),
            Planted("no order has a promotion", "UPDATE raw.orders SET promotion_id = NULL", "pass"),
            Planted("an order of 2024 that was typed in twenty days later", old, "pass"),
            Planted("the same product twice in an order, on two lines, and a second payment for it", f"{both}; {paid}", "pass"),
            Planted(
                "one more declined payment", copy("payments", PAYMENTS, "status = 'declined'", payment_id=str(UNKNOWN)), "pass"
            ),
        ]


@pytest.fixture(scope="module")
def database(stack) -> Database:
    """The warehouse."""
    return Database(stack["warehouse"])


@pytest.fixture(scope="module")
def plants(seed, database) -> Plants:
    """What is planted in this verification."""
    return Plants(random.Random(seed), database)


def loudest(told: Sequence[Told]) -> str:
    """What dbt would say of all tests together."""
    said = {each.said for each in told}
    return next(word for word in ("fail", "warn", "pass") if word in said or word == "pass")


def check_all(dbt, database: Database, planted: Sequence[Planted]) -> None:
    """Each mistake is told as loudly as asked."""
    for mistake in planted:
        told = judge(dbt, database, mistake.sql)
        said = loudest(told)
        names = ", ".join(f"{each.name} ({each.said})" for each in told if each.said != "pass")
        spoke = f"only {names}" if said == "warn" else names
        seen = f"planted: {mistake.what}. {spoke or 'All tests pass'}"
        expected = {"fail": "a test that fails", "warn": "a warning, and no failure", "pass": "no test speaks: this is right"}
        expect(said == mistake.want, expected=expected[mistake.want], seen=seen)


def test_good_rows_pass(dbt, database, plants):
    """`dbt build` ends well on good data, without a warning; what only looks odd, and is right, is not reported."""
    built = dbt.build(expected="every test passes on good rows")
    loud = [node.name for node in built.nodes if node.status == "warn"]
    expect(not loud, expected="no warning on good rows", seen=f"warnings of {', '.join(loud)}")
    expect(dbt.manifest().tests(), expected="tests of the rules", seen="there is no data test in the project")
    check_all(dbt, database, plants.harmless())


def test_models_show_the_source(dbt, database):
    """The six staging models are views that show every row of the source: mistakes are reported, not hidden."""
    for table in MODELS:
        model = dbt.manifest().model(f"stg_{table}")
        kind = model.config.get("materialized")
        expect(kind == "view", expected=f"stg_{table} is a view, as it was", seen=f"it is materialized as {kind}")
        before, after = counts(database, dbt.relation(model.name), f"INSERT INTO raw.{table} SELECT * FROM raw.{table}")
        whole = database.value(f"SELECT count(*) FROM raw.{table}")
        seen = f"{before:,} of {whole:,} rows, and {after:,} after each came a second time: the model hides rows from its tests"
        expect((before, after) == (whole, 2 * whole), expected=f"stg_{table} shows all rows of raw.{table}", seen=seen)


def counts(database: Database, relation: str, statement: str) -> tuple[int, int]:
    """The rows before and after a statement that is taken back."""
    with database.session() as session, session.cursor() as cursor:
        session.autocommit = False
        found = []
        for step in ("SELECT 1", statement):
            cursor.execute(step)
            cursor.execute(f"SELECT count(*) FROM {relation}")
            found.append(cursor.fetchone()[0])
        session.rollback()
    return found[0], found[1]


def test_keys(dbt, database, plants):
    """Rules 1 and 2: an order without a number or there twice, and a line that is there twice, fail."""
    check_all(dbt, database, plants.keys())


def test_references(dbt, database, plants):
    """Rules 3, 4 and 5: a line without its order, an order without its customer, a promotion that does not exist, fail."""
    check_all(dbt, database, plants.references())


def test_values(dbt, database, plants):
    """Rule 6: a status or a method that is not in the list, or missing, fails."""
    check_all(dbt, database, plants.values())


def test_sums(dbt, database, plants):
    """Rule 7: a completed order whose captured payments are not what its lines cost fails."""
    check_all(dbt, database, plants.sums())


def test_thresholds(dbt, database, plants):
    """Rule 8: up to five lines of unknown products are a warning, six and more fail."""
    check_all(dbt, database, plants.thresholds())


def test_late(dbt, database, plants):
    """Rule 9: an order of 2025 or later that is not recorded within a day fails."""
    check_all(dbt, database, plants.late())


def test_build_stops_and_keeps_the_rows(dbt, database, plants):
    """With a broken rule `dbt build` fails, builds nothing on top of it, and keeps the rows that break rule 3 in a table."""
    line = copy("order_lines", LINES, f"order_id IN ({CANCELLED})", line_id=str(UNKNOWN), line_number="98", order_id=str(KEPT))
    database.execute(f"{copy('orders', ORDERS, f'order_id = {plants.one}')}; {line}")
    built = dbt.run("build")
    expect(not built.success, expected=f"`dbt build` fails: order {plants.one} is there twice", seen="it ended well")
    last = {node.name: node.status for node in built.nodes}.get("daily_revenue", "not there")
    expect(last == "skipped", expected="daily_revenue is skipped", seen=f"daily_revenue: {last}")
    places = dbt.relations()
    kept = [places[test.unique_id] for test in dbt.manifest().tests() if test.config.get("store_failures")]
    if not kept:
        fail(expected="the rows that break rule 3 are kept in a table", seen="no test has store_failures")
    holding = [place for place in kept if holds(database, place, KEPT)]
    seen = f"{', '.join(kept)}: none has a row with order {KEPT}"
    expect(holding, expected=f"a table with the line whose order {KEPT} does not exist", seen=seen)


def holds(database: Database, place: str, number: int) -> bool:
    """Whether a table of failures is there and speaks of a number."""
    there = database.value("SELECT to_regclass(%s) IS NOT NULL", place)
    return bool(there and database.value(f"SELECT count(*) FROM {place} AS t WHERE to_jsonb(t)::text LIKE %s", f"%{number}%"))


if __name__ == "__main__":
    main(__file__)
