"""Checks of lab 77: models that are right and can be moved, tests that see a mistake in them, descriptions that say something."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import pytest
from prepare import fill

from delab.checks import Database, expect, fail, main
from delab.checks.dbt import Element, Project
from delab.checks.dbt_tests import judge

TABLES = ("customers", "orders", "order_lines")
DAY = "(o.ordered_at AT TIME ZONE 'UTC')::date"
NOBODY = 900_000_000  # a customer's number that is not used
EMPTY_WORDS = {
    "a",
    "an",
    "the",
    "of",
    "in",
    "is",
    "this",
    "it",
    "id",
    "column",
    "field",
    "table",
    "model",
    "view",
    "source",
    "description",
}
PLACEHOLDER = re.compile(r"\b(TODO|TBD|FIXME)\b|lorem ipsum")  # in Spanish and Portuguese, `todo` is a word

# PostgreSQL 18 lists NOT NULL among the constraints; that of a primary key goes after the key.
CONSTRAINTS = """
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I CASCADE', conrelid::regclass, conname) FROM pg_constraint
WHERE conrelid = %s::regclass ORDER BY contype = 'n'
"""
UNIQUE_INDEXES = """
SELECT format('DROP INDEX %%s', indexrelid::regclass) FROM pg_index WHERE indrelid = %s::regclass AND indisunique
"""


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
    """A model that the task asks for: its columns, how many of them are its key, its truth, and what known mistakes give."""

    name: str
    columns: str
    keys: int
    truth: Callable[[str], str]
    mistakes: dict[str, Callable[[str], str]]


DAILY = Mart(
    "daily_sales",
    "day, currency, orders, quantity, revenue",
    2,
    daily,
    {
        "`orders` counts the lines": lambda schema: daily(schema, orders="count(*)"),
        "cancelled orders are in it": lambda schema: daily(schema, where="true"),
        "cancelled orders are in it, and `orders` counts the lines, by days of the session's time zone": lambda schema: daily(
            schema, "o.ordered_at::date", "count(*)", "true"
        ),
        "these are days of the session's time zone, not of UTC": lambda schema: daily(schema, day="o.ordered_at::date"),
    },
)
CUSTOMERS = Mart(
    "customer_orders",
    "customer_id, country, segment, orders, first_order_on, last_order_on",
    1,
    customers,
    {
        "customers without a completed order are missing": lambda schema: customers(schema, join="JOIN"),
        "cancelled orders are in it": lambda schema: customers(schema, where="true"),
    },
)


class Shop:
    """The project as it was built first."""

    def __init__(self, dbt: Project, database: Database, chance: random.Random) -> None:
        self.dbt, self.database, self.chance = dbt, database, chance

    @cached_property
    def made(self) -> bool:
        """Build the models; fails the check if one does not."""
        built = self.dbt.run("run")
        for node in built.bad():
            fail(expected=f"`dbt run` builds {node.name}", seen=self.dbt.describe(node))
        expect(built.nodes, expected="`dbt run` has something to build", seen="there is no model that is enabled")
        expect(built.success, expected="`dbt run` ends well", seen=self.dbt.shorten(built.log))
        self.dbt.see_where(built)
        return True

    @cached_property
    def catalog(self) -> dict[str, list[str]]:
        """`dbt docs generate`, which compiles the tests too."""
        return self.dbt.catalog()

    @cached_property
    def bared(self) -> bool:
        """Take constraints and unique indexes off the marts, so that mistakes can be planted: the tests are judged alone."""
        for mart in (DAILY, CUSTOMERS):
            for query in (CONSTRAINTS, UNIQUE_INDEXES):
                for (statement,) in self.database.rows(query, self.dbt.relation(mart.name)):
                    self.database.execute(statement)
        return True

    def tests(self, singular: bool | None = None) -> list[Element]:
        """The data tests, compiled: all, the singular ones or the generic ones."""
        assert self.catalog is not None
        assert self.bared
        tests = self.dbt.manifest().tests()
        return [test for test in tests if singular is None or (test.test_metadata is None) is singular]

    def pick(self, name: str, where: str, rows: int = 1) -> list[tuple]:
        """Some rows of a mart, by the seed: the values of its key."""
        mart = next(mart for mart in (DAILY, CUSTOMERS) if mart.name == name)
        key = ", ".join(mart.columns.split(", ")[: mart.keys])
        found = self.database.rows(f"SELECT {key} FROM {self.dbt.relation(name)} WHERE {where} ORDER BY {key}")
        return self.chance.sample(found, rows)


@pytest.fixture(scope="module")
def database(stack) -> Database:
    """The warehouse."""
    return Database(stack["warehouse"])


@pytest.fixture(scope="module")
def shop(dbt, database, seed) -> Shop:
    """The project."""
    return Shop(dbt, database, random.Random(seed))


def compare(project: Project, database: Database, mart: Mart, schema: str) -> None:
    """A mart holds the truth of a source schema, row by row; a mistake that is known is named."""
    got = database.rows(f"SELECT {mart.columns} FROM {project.relation(mart.name)}")
    want = database.rows(mart.truth(schema))
    if sorted(got, key=str) == sorted(want, key=str):
        return
    for what, query in mart.mistakes.items():
        if set(got) == set(database.rows(query(schema))):
            fail(expected=f"{mart.name} is right, row by row", seen=f"{what}: {difference(got, want, mart)}")
    fail(expected=f"{mart.name} is right, row by row", seen=difference(got, want, mart))


def difference(got: Sequence[tuple], want: Sequence[tuple], mart: Mart) -> str:
    """The first key at which two tables differ, in the learner's words."""
    by_key = [{row[: mart.keys]: row for row in rows} for rows in (got, want)]
    missing, extra = (sorted(set(one) - set(other), key=str) for one, other in (by_key[::-1], by_key))
    if missing:
        return f"{len(missing)} rows are missing, such as {told(by_key[1][missing[0]])}"
    if extra:
        return f"{len(extra)} rows are too much, such as {told(by_key[0][extra[0]])}"
    wrong = [key for key, row in by_key[1].items() if by_key[0][key] != row]
    if not wrong:
        return f"{len(got):,} rows for {len(by_key[0]):,} different ({', '.join(mart.columns.split(', ')[: mart.keys])})"
    key = min(wrong, key=str)
    return f"{len(wrong):,} of {len(want):,} rows differ: {told(by_key[0][key])} where {told(by_key[1][key])} is right"


def told(row: tuple) -> str:
    """A row for a message."""
    return "(" + ", ".join("null" if value is None else str(value) for value in row) + ")"


def test_daily_sales(shop):
    """`daily_sales` has one row a day (UTC) and currency, with the completed orders, their pieces and their revenue."""
    assert shop.made
    compare(shop.dbt, shop.database, DAILY, "raw")


def test_customer_orders(shop):
    """`customer_orders` has one row a customer, also without orders, with the completed orders, the first and the last day."""
    assert shop.made
    compare(shop.dbt, shop.database, CUSTOMERS, "raw")


def test_layers(shop):
    """Each source table is read by one model, a view named `stg_…`; the two marts are tables and are made from models only."""
    manifest = shop.dbt.manifest()
    readers: dict[str, list[str]] = {}
    for model in manifest.of_kind("model"):
        for source in (manifest.sources[node] for node in model.depends_on.nodes if node in manifest.sources):
            readers.setdefault(source.name, []).append(model.name)
            right = model.name.startswith("stg_") and model.config.get("materialized") == "view"
            seen = f"{model.name} ({model.config.get('materialized')}) reads the source {source.name}"
            expect(right, expected="only views named stg_… read a source", seen=seen)
    for table in TABLES:
        found = readers.get(table, [])
        seen = f"read by {' and '.join(sorted(found))}" if found else "no model reads it by source(): dbt does not know of it"
        expect(len(found) == 1, expected=f"one model reads the source table {table}", seen=seen)
    for mart in (DAILY, CUSTOMERS):
        model = manifest.model(mart.name)
        kind = model.config.get("materialized")
        expect(kind == "table", expected=f"{mart.name} is a table", seen=f"it is materialized as {kind}")
        expect(model.depends_on.nodes, expected=f"{mart.name} is made from models by ref()", seen="dbt knows of none")


@dataclass(frozen=True)
class Planted:
    """What a colleague's mistake would leave in a mart: what it is, and the SQL that makes it so."""

    what: str
    sql: str


def at(day: object, currency: object) -> str:
    """The condition for a row of daily_sales."""
    return f"day = '{day}' AND currency = '{currency}'"


def keys(shop: Shop) -> list[Planted]:
    """Rules 1 to 3."""
    sales, people = shop.dbt.relation("daily_sales"), shop.dbt.relation("customer_orders")
    [(day, currency)], [(customer,)] = shop.pick("daily_sales", "true"), shop.pick("customer_orders", "orders > 0")
    one = f"customer_id = {customer}"
    return [
        Planted(f"{day} {currency} twice in daily_sales", f"INSERT INTO {sales} SELECT * FROM {sales} WHERE {at(day, currency)}"),
        Planted("a row of daily_sales without a day", f"UPDATE {sales} SET day = NULL WHERE {at(day, currency)}"),
        Planted("a row of daily_sales without a currency", f"UPDATE {sales} SET currency = NULL WHERE {at(day, currency)}"),
        Planted(f"customer {customer} twice in customer_orders", f"INSERT INTO {people} SELECT * FROM {people} WHERE {one}"),
        Planted(
            "a row of customer_orders without a customer",
            f"INSERT INTO {people} SELECT * FROM {people} WHERE {one}; UPDATE {people} SET customer_id = NULL "
            f"WHERE ctid = (SELECT max(ctid) FROM {people} WHERE {one})",
        ),
        Planted(
            "a customer in customer_orders whom the shop does not know",
            f"INSERT INTO {people} SELECT * FROM {people} WHERE {one}; UPDATE {people} SET customer_id = {NOBODY} "
            f"WHERE ctid = (SELECT max(ctid) FROM {people} WHERE {one})",
        ),
    ]


def rules(shop: Shop) -> list[Planted]:
    """Rules 4 to 6."""
    sales, people = shop.dbt.relation("daily_sales"), shop.dbt.relation("customer_orders")
    one, two = (at(*row) for row in shop.pick("daily_sales", "currency = 'EUR'", 2))
    [(busy,)] = shop.pick("customer_orders", "orders > 1 AND first_order_on < last_order_on")
    [(quiet,)] = shop.pick("customer_orders", "orders = 0")
    cents = f"0.{shop.chance.randint(1, 99):02d}"
    return [
        Planted(f"{cents} too much revenue on one day", f"UPDATE {sales} SET revenue = revenue + {cents} WHERE {one}"),
        Planted(
            f"{cents} too much on one day and as much too little on another",
            f"UPDATE {sales} SET revenue = revenue + CASE WHEN {one} THEN {cents} ELSE -{cents} END WHERE ({one}) OR ({two})",
        ),
        Planted("a day that is lost", f"DELETE FROM {sales} WHERE {one}"),
        Planted("a day without revenue", f"UPDATE {sales} SET revenue = NULL WHERE {one}"),
        Planted("a day on which nothing was sold", f"UPDATE {sales} SET day = '2031-01-01' WHERE {one}"),
        Planted("a customer without orders who is lost", f"DELETE FROM {people} WHERE customer_id = {quiet}"),
        Planted("a customer with orders who is lost", f"DELETE FROM {people} WHERE customer_id = {busy}"),
        Planted(
            "the first order after the last",
            f"UPDATE {people} SET first_order_on = last_order_on, last_order_on = first_order_on WHERE customer_id = {busy}",
        ),
        Planted("orders, and no first day", f"UPDATE {people} SET first_order_on = NULL WHERE customer_id = {busy}"),
        Planted("orders, and no last day", f"UPDATE {people} SET last_order_on = NULL WHERE customer_id = {busy}"),
        Planted(
            "no orders, and days all the same",
            f"UPDATE {people} SET first_order_on = '2025-01-01', last_order_on = '2025-01-02' WHERE customer_id = {quiet}",
        ),
    ]


def harmless(shop: Shop) -> list[Planted]:
    """What is right, though a hasty test may think otherwise: source and mart change alike."""
    sales, people = shop.dbt.relation("daily_sales"), shop.dbt.relation("customer_orders")
    [(day, currency)], [(quiet,)] = shop.pick("daily_sales", "true"), shop.pick("customer_orders", "orders = 0")
    line = (
        "UPDATE raw.order_lines SET amount = amount - {0} WHERE ctid = (SELECT l.ctid FROM raw.order_lines AS l "
        f"JOIN raw.orders AS o USING (order_id) "
        f"WHERE {DAY} = '{day}' AND o.currency = '{currency}' AND o.status = 'completed' LIMIT 1)"
    )
    new = (
        "INSERT INTO raw.customers (customer_id, name, country, city, postal_code, segment, registered_at, updated_at) SELECT "
        f"{NOBODY}, name, country, city, postal_code, segment, registered_at, updated_at FROM raw.customers "
        f"WHERE customer_id = {quiet}"
    )
    copied = f"INSERT INTO {people} SELECT * FROM {people} WHERE customer_id = {quiet}"
    renamed = (
        f"UPDATE {people} SET customer_id = {NOBODY} WHERE ctid = (SELECT max(ctid) FROM {people} WHERE customer_id = {quiet})"
    )
    credit = f"{line.format(10_000_000)}; UPDATE {sales} SET revenue = revenue - 10000000 WHERE {at(day, currency)}"
    return [
        Planted("a new customer without an order", f"{new}; {copied}; {renamed}"),
        Planted("a credit note that makes a day's revenue negative, in the source and in daily_sales", credit),
    ]


def failing(shop: Shop, plant: str, tests: Sequence[Element]) -> list[str]:
    """The tests that are not silent."""
    return [f"{each.name} ({each.said})" for each in judge(shop.dbt, shop.database, plant, tests) if each.said != "pass"]


def test_good_rows_pass(shop):
    """On rows that are right no test fails or warns; nor when something comes that only looks odd."""
    tests = shop.tests()
    expect(tests, expected="tests of the rules", seen="there is no data test in the project")
    for mistake in (Planted("nothing", ""), *harmless(shop)):
        loud = failing(shop, mistake.sql, tests)
        seen = f"planted: {mistake.what}. {', '.join(loud)}"
        expect(not loud, expected="no test speaks: this is right", seen=seen)


def seen_by(shop: Shop, tests: Sequence[Element], kind: str, planted: Sequence[Planted]) -> None:
    """For each mistake one of these tests fails."""
    expect(tests, expected=f"{kind} tests", seen=f"there is no {kind} test in the project")
    for mistake in planted:
        loud = failing(shop, mistake.sql, tests)
        seen = f"planted: {mistake.what}. {'only ' + ', '.join(loud) if loud else f'All {kind} tests pass'}"
        expect(any("(fail)" in test for test in loud), expected=f"a {kind} test that fails", seen=seen)


def test_generic_tests(shop):
    """Rules 1, 2 and 3: a generic test fails when a key is there twice or missing, or a customer is unknown."""
    seen_by(shop, shop.tests(singular=False), "generic", keys(shop))


def test_singular_tests(shop):
    """Rules 4, 5 and 6: a singular test fails when revenue, customers or days are not what they must be."""
    seen_by(shop, shop.tests(singular=True), "singular", rules(shop))


def words(text: str) -> set[str]:
    """The words of a text or a name, in lower case."""
    return set(re.findall(r"\w+", text.lower().replace("_", " ")))


def says_something(what: str, name: str, description: str) -> None:
    """Fail unless a description tells more than the name does."""
    text = description.strip()
    expect(text, expected=f"a description of {what}", seen="it has none")
    expect(not PLACEHOLDER.search(text), expected=f"a description of {what}", seen=f"a placeholder: {text!r}")
    more = words(text) - words(name) - EMPTY_WORDS
    expect(more and len(text) >= 8, expected=f"the description of {what} says more than its name", seen=f"{text!r}")


def test_documentation(shop):
    """`dbt docs generate` works; all models, their columns and the source's tables are described, beyond their names."""
    manifest, columns = shop.dbt.manifest(), shop.catalog
    for source in manifest.sources.values():
        says_something(f"the source table {source.name}", source.name, source.description)
    for model in manifest.of_kind("model"):
        says_something(f"the model {model.name}", model.name, model.description)
        if model.unique_id in columns:
            describes_columns(model, columns[model.unique_id])


def describes_columns(model: Element, there: Sequence[str]) -> None:
    """The columns of a model in the database, and those that the documentation has, are the same, and each has its own text."""
    described = {name.lower(): column.description for name, column in model.columns.items()}
    stale = sorted(set(described) - {name.lower() for name in there})
    seen = f"{', '.join(stale)}: the table has no such column"
    expect(not stale, expected=f"the documentation of {model.name} is about columns that exist", seen=seen)
    texts: dict[str, str] = {}
    for name in there:
        text = described.get(name.lower(), "")
        says_something(f"the column {model.name}.{name}", name, text)
        other = texts.setdefault(" ".join(text.split()).lower(), name)
        seen = f"{other} and {name} have the same: {text.strip()!r}"
        expect(other == name, expected=f"each column of {model.name} has a description of its own", seen=seen)


def test_moves(shop, stack, seed):
    """With RAW_SCHEMA and DBT_SCHEMA set, `dbt build` reads other data from another schema and writes into another one."""
    for (schema,) in shop.database.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'analytics%'"):
        shop.database.execute(f'DROP SCHEMA "{schema}" CASCADE')
    fill(stack["warehouse"].endpoint, "landing", seed + 1)
    shop.database.execute("DROP SCHEMA raw CASCADE")
    moved = shop.dbt.on(stack["warehouse"], "elsewhere", RAW_SCHEMA="landing")
    moved.build(expected="`RAW_SCHEMA=landing DBT_SCHEMA=elsewhere dbt build` ends well, without the schemas raw and analytics")
    for mart in (DAILY, CUSTOMERS):
        schema = moved.relation(mart.name)
        expect(schema.startswith('"elsewhere'), expected=f"{mart.name} in the schema elsewhere", seen=f"it is {schema}")
        compare(moved, shop.database, mart, "landing")


if __name__ == "__main__":
    main(__file__)
