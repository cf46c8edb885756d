"""Checks of lab 82: tests that stay silent on good rows and speak up for each planted mistake, as loudly as asked."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Any

import pytest
from plants import CANCELLED, LINES, ORDERS, UNKNOWN, Planted, Plants, copy

from delab.checks import Database, expect, fail, main
from delab.checks.dbt import Element, Manifest, Project
from delab.checks.dbt_tests import Told, ask_dbt, asks_early, changed, judge, sow, spoken

# The staging models, with the columns that they take from the source.
MODELS = {
    "customers": "customer_id, email, country, segment, registered_at",
    "products": "product_id, sku, name AS product_name, category, price",
    "promotions": "promotion_id, name AS promotion_name, percent, starts_on, ends_on",
    "orders": "order_id, ordered_at, recorded_at, customer_id, promotion_id, currency, status",
    "order_lines": "line_id, order_id, line_number, product_id, quantity, amount",
    "payments": "payment_id, order_id, paid_at, method, status, amount",
}
KEPT = 800_000_001  # the order of the first line that is kept for support; two more lines have the next numbers


@dataclass
class Rules:
    """The learner's tests, as they were compiled on good rows."""

    dbt: Project
    database: Database

    @cached_property
    def tests(self) -> list[Element]:
        """The data tests; fails the check if there is none."""
        tests = self.dbt.manifest().tests()
        expect(tests, expected="tests of the rules", seen="there is no data test in the project")
        return tests

    @cached_property
    def refill(self) -> str:
        """Statements that make anew what the project keeps in tables and tests may read, as the next build would."""
        places = self.dbt.relations()
        statements = [anew(self.database, model, places[model.unique_id]) for model in upstream_first(self.dbt.manifest())]
        return "".join(f"; {statement}" for statement in [*statements, "SELECT 1"] if statement) if any(statements) else ""

    def see(self, planted: Sequence[Planted]) -> None:
        """Fail unless each mistake is told as loudly as asked."""
        for mistake in planted:
            told = judge(self.dbt, self.database, mistake.sql + self.refill, self.tests)
            if loudest(told) != mistake.want and asks_early(self.dbt):
                told = ask_dbt(self.dbt, mistake.sql)
            said = loudest(told)
            names = ", ".join(spoken(told))
            spoke = f"only {names}" if said == "warn" else names
            seen = f"planted: {mistake.what}. {spoke or 'All tests pass'}"
            expected = {"fail": "a test that fails", "warn": "a warning, and no failure", "pass": "no test speaks: this is right"}
            expect(said == mistake.want, expected=expected[mistake.want], seen=seen)


def upstream_first(manifest: Manifest) -> list[Element]:
    """The models, each after those that it is made from."""
    models = {id: node for id, node in manifest.nodes.items() if node.resource_type == "model"}
    order = TopologicalSorter({id: models.keys() & node.depends_on.nodes for id, node in models.items()}).static_order()
    return [models[id] for id in order]


def anew(database: Database, model: Element, place: str) -> str:
    """The SQL that makes the rows of a model anew; nothing for a view, which shows them as they are."""
    kind, query = model.config.get("materialized"), f"FROM (\n{model.compiled_code}\n) AS built"
    if kind == "materialized_view":
        return f"REFRESH MATERIALIZED VIEW {place}"
    if kind != "table":
        return ""
    with database.session() as session, session.cursor() as cursor:
        cursor.execute(f"SELECT * {query} LIMIT 0")
        columns = ", ".join(f'"{column.name}"' for column in cursor.description)
    return f"DELETE FROM {place}; INSERT INTO {place} ({columns}) SELECT {columns} {query}"


@pytest.fixture(scope="module")
def database(stack) -> Database:
    """The warehouse."""
    return Database(stack["warehouse"], kept=True)


@pytest.fixture(scope="module")
def plants(seed, database) -> Plants:
    """What is planted in this verification."""
    return Plants(random.Random(seed), database)


@pytest.fixture(scope="module")
def rules(dbt, database) -> Rules:
    """The tests that are handed in."""
    return Rules(dbt, database)


def loudest(told: Sequence[Told]) -> str:
    """What dbt would say of all tests together."""
    said = {each.said for each in told}
    return next(word for word in ("fail", "warn", "pass") if word in said or word == "pass")


def test_good_rows_pass(dbt, rules, plants):
    """`dbt build` ends well on good data, without a warning; what only looks odd, and is right, is not reported."""
    built = dbt.build(expected="every test passes on good rows")
    loud = [node.name for node in built.nodes if node.status == "warn"]
    expect(not loud, expected="no warning on good rows", seen=f"warnings of {', '.join(loud)}")
    assert rules.tests
    rules.see(plants.harmless())


def test_models_show_the_source(dbt, database, plants):
    """The six staging models are views that show every row of the source as it is: mistakes are reported, not hidden."""
    places = {}
    for table in MODELS:
        model = dbt.manifest().model(f"stg_{table}")
        kind = model.config.get("materialized")
        expect(kind == "view", expected=f"stg_{table} is a view, as it was", seen=f"it is materialized as {kind}")
        places[table] = dbt.relation(model.name)
    for table in MODELS:
        doubled = f"INSERT INTO raw.{table} SELECT * FROM raw.{table}"
        see_rows(database, places, Planted(f"each row of raw.{table} a second time", doubled))
    odd = (plants.keys(), plants.references(), plants.values(()), plants.sums(), plants.thresholds(), plants.late())
    for mistake in (mistake for some in odd for mistake in some):
        see_rows(database, places, mistake)


def see_rows(database: Database, places: dict[str, str], mistake: Planted) -> None:
    """Fail unless the staging models of what is changed show the rows of the source while something is planted."""
    with database.session() as session, session.cursor() as cursor:
        session.autocommit = False
        sow(cursor, mistake.sql)
        for table in (place.removeprefix("raw.") for place in changed(mistake.sql)):
            wanted = f"SELECT {MODELS[table]} FROM raw.{table}"
            names = ", ".join(name.split()[-1] for name in MODELS[table].split(", "))
            got, want = (Counter(rows_of(cursor, query)) for query in (f"SELECT {names} FROM {places[table]}", wanted))
            if got != want:
                session.rollback()
                seen = f"planted: {mistake.what}. {got.total():,} rows where the source has {want.total():,}: {odd_rows(got, want)}"
                fail(expected=f"stg_{table} shows all rows of raw.{table} as they are, as it did when you got it", seen=seen)
        session.rollback()


def rows_of(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query in a transaction that goes on."""
    cursor.execute(query)
    return list(cursor.fetchall())


def odd_rows(got: Counter[tuple[Any, ...]], want: Counter[tuple[Any, ...]]) -> str:
    """The first row that is on one side only."""
    hidden, added = (sorted(map(shown, side)) for side in (want - got, got - want))
    return f"the model hides rows from its tests, such as {hidden[0]}" if hidden else f"the source has no {added[0]}"


def shown(row: tuple[Any, ...]) -> str:
    """A row for a message."""
    return "(" + ", ".join("null" if value is None else str(value) for value in row) + ")"


def test_keys(rules, plants):
    """Rules 1 and 2: an order without a number or there twice, and a line that is there twice, fail."""
    rules.see(plants.keys())


def test_references(rules, plants):
    """Rules 3, 4 and 5: a line without its order, an order without its customer, a promotion that does not exist, fail."""
    rules.see(plants.references())


def test_values(rules, plants):
    """Rule 6: a status or a method that is not in the list, or missing, fails."""
    rules.see(plants.values(rules.tests))


def test_sums(rules, plants):
    """Rule 7: a completed order whose captured payments are not what its lines cost fails."""
    rules.see(plants.sums())


def test_thresholds(rules, plants):
    """Rule 8: up to five lines of unknown products are a warning, six and more fail."""
    rules.see(plants.thresholds())


def test_late(rules, plants):
    """Rule 9: an order of 2025 or later that is not recorded within a day fails."""
    rules.see(plants.late())


def test_build_stops_and_keeps_the_rows(dbt, database, plants):
    """With rule 1 broken `dbt build` fails and builds nothing on top of it; the rows that break rule 3 are kept in a table."""
    with dbt.planted("raw.orders", copy("orders", ORDERS, f"order_id = {plants.one}")):
        built = dbt.run("build")
    expect(not built.success, expected=f"`dbt build` fails: order {plants.one} is there twice", seen="it ended well")
    last = {node.name: node.status for node in built.nodes}.get("daily_revenue", "not there")
    seen = f"daily_revenue: {last}; order {plants.one} is there twice"
    expect(last == "skipped", expected="daily_revenue is skipped", seen=seen)
    see_kept(dbt, database)


def see_kept(dbt: Project, database: Database) -> None:
    """Fail unless each line without its order is kept by a test, in a table."""
    keeping = [test for test in dbt.manifest().tests() if test.config.get("store_failures")]
    if not keeping:
        fail(expected="the rows that break rule 3 are kept in a table", seen="no test has store_failures")
    orders = {f"a line of order {number}, which does not exist": str(number) for number in range(KEPT, KEPT + 3)}
    lines = [(order, UNKNOWN + at) for at, order in enumerate([*orders.values(), "NULL"])]
    for order, line in lines:
        new = copy("order_lines", LINES, f"order_id IN ({CANCELLED})", line_id=str(line), line_number="98", order_id=order)
        database.execute(new)
    dbt.run("test", "--select", *(test.name for test in keeping))
    places = [dbt.relations()[test.unique_id] for test in keeping]
    tables = [place for place in places if kind_of(database, place) == "r"]
    views = [place for place in places if kind_of(database, place) == "v"]
    shown = f"{', '.join(views)}: a view keeps nothing, it shows what breaks the rule when it is asked"
    expect(tables or not views, expected="the rows that break rule 3 are kept in a table", seen=shown)
    for what, number in {**orders, "a line without an order": str(lines[-1][1])}.items():
        kept = any(holds(database, place, number) for place in tables)
        seen = f"{', '.join(places)}: none has such a row"
        expect(kept, expected=f"a table that keeps {what}", seen=seen)


def kind_of(database: Database, place: str) -> str:
    """What a relation is: `r` for a table, `v` for a view, nothing if it is not there."""
    return str(database.value("SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)", place) or "")


def holds(database: Database, place: str, number: str) -> bool:
    """Whether a table of failures speaks of a number, or has the row without an order, of which the test may show no more."""
    missing = "OR t IS NULL OR to_jsonb(t) ? 'order_id' AND to_jsonb(t) ->> 'order_id' IS NULL"
    empty = missing if int(number) >= UNKNOWN else ""
    return bool(database.value(f"SELECT count(*) FROM {place} AS t WHERE to_jsonb(t)::text LIKE %s {empty}", f"%{number}%"))


if __name__ == "__main__":
    main(__file__)
