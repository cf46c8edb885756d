"""Checks of lab 77: models that are right and can be moved, tests that see a mistake in them, descriptions that say something."""

import re
from collections.abc import Sequence
from functools import cached_property

import pytest
from marts import CUSTOMERS, DAILY, Mart
from places import Places, outside
from plants import Planted, Plants
from prepare import TABLES, fill

from delab.checks import Database, expect, fail, main
from delab.checks.dbt import Element, Manifest, Project
from delab.checks.dbt_tests import ask_dbt, asks_early, judge, spoken


def words(text: str) -> set[str]:
    """The words of a text or a name, in lower case."""
    return set(re.findall(r"\w+", text.lower().replace("_", " ")))


EMPTY_WORDS = words("a an the of in on for is are this that it its id column field table model view source description")
PLACEHOLDER = re.compile(r"\b(TODO|TBD|FIXME)\b|[Ll]orem ipsum")  # in Spanish and Portuguese, `todo` is a word


class Shop:
    """The project as it was built on one source."""

    def __init__(self, dbt: Project, database: Database, seed: int, source: str = "raw") -> None:
        self.dbt, self.database, self.seed, self.source = dbt, database, seed, source

    @property
    def where(self) -> str:
        """How dbt is called, if not as always."""
        return "" if self.source == "raw" else f" with RAW_SCHEMA={self.source} DBT_SCHEMA={self.dbt.schema}"

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
    def places(self) -> Places:
        """Where the models are."""
        return Places(self.dbt, self.source)

    @cached_property
    def catalog(self) -> dict[str, list[str]]:
        """`dbt docs generate`, which compiles the tests too."""
        return self.dbt.catalog()

    @cached_property
    def plants(self) -> Plants:
        """Mistakes, for marts on which no constraint of the learner's keeps them out."""
        plants = Plants(self.places, self.database, self.seed, self.source)
        plants.bare()
        return plants

    @cached_property
    def tests(self) -> list[Element]:
        """The data tests as dbt compiled them last; fails the check if there is none."""
        tests = self.dbt.manifest().tests()
        expect(tests, expected=f"tests of the rules{self.where}", seen="there is no data test in the project that is enabled")
        return tests

    def loud(self, planted: Planted, tests: Sequence[Element], *, fails: bool) -> list[str]:
        """The tests that are not silent about something planted; one of them should fail, or none should speak."""
        told = judge(self.dbt, self.database, planted.sql, tests)
        right = any(each.said == "fail" for each in told) if fails else all(each.said == "pass" for each in told)
        if not right and asks_early(self.dbt):
            told = ask_dbt(self.dbt, planted.sql, tests)
        return spoken(told)


@pytest.fixture(scope="module")
def shop(dbt, stack, seed) -> Shop:
    """The project."""
    return Shop(dbt, Database(stack["warehouse"], kept=True), seed)


def compare(shop: Shop, mart: Mart) -> None:
    """A mart holds the truth of its source, row by row; a mistake that is known is named."""
    place, database = shop.places.of(mart), shop.database
    see_types(database, mart, place)
    got = database.rows(f"SELECT {', '.join(mart.columns)} FROM {place}")
    want = database.rows(mart.truth(shop.source))
    if sorted(got, key=str) == sorted(want, key=str):
        return
    expected = f"{mart.name} is right, row by row"
    for what, query in mart.mistakes.items():
        if set(got) == set(database.rows(query(shop.source))):
            fail(expected=expected, seen=f"{what}: {difference(got, want, mart)}")
    fail(expected=expected, seen=difference(got, want, mart))


def see_types(database: Database, mart: Mart, place: str) -> None:
    """Fail unless the columns have types in which values can be compared."""
    for name, kinds in mart.columns.items():
        kind = database.value(f"SELECT pg_typeof({name})::text FROM {place} LIMIT 1")
        expect(kind in (*kinds, None), expected=f"{mart.name}.{name} is {' or '.join(kinds)}", seen=f"it is {kind}")


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
        return f"{len(got):,} rows for {len(by_key[0]):,} different ({mart.key})"
    key = min(wrong, key=str)
    return f"{len(wrong):,} of {len(want):,} rows differ: {told(by_key[0][key])} where {told(by_key[1][key])} is right"


def told(row: tuple) -> str:
    """A row for a message."""
    return "(" + ", ".join("null" if value is None else str(value) for value in row) + ")"


def test_daily_sales(shop):
    """`daily_sales` has one row a day (UTC) and currency, with the completed orders, their pieces and their revenue."""
    assert shop.made
    compare(shop, DAILY)


def test_customer_orders(shop):
    """`customer_orders` has one row a customer, also without orders, with the completed orders, the first and the last day."""
    assert shop.made
    compare(shop, CUSTOMERS)


def test_layers(shop):
    """Each source table is read by one model, a view named `stg_…`; the marts are tables made from models, all else is a view."""
    see_readers(shop.places.manifest)
    marts = {shop.places.model(mart).unique_id: mart.name for mart in (DAILY, CUSTOMERS)}
    assert shop.catalog is not None  # all is compiled
    for model in shop.dbt.manifest().of_kind("model"):
        kind, name = model.config.get("materialized"), marts.get(model.unique_id)
        if name:
            expect(kind == "table", expected=f"{name} is a table", seen=f"it is materialized as {kind}")
            expect(model.depends_on.nodes, expected=f"{name} is made from models by ref()", seen="dbt knows of none")
        else:
            expected = f"{model.name} is a view or ephemeral, so that your tests see the source as it is now"
            expect(kind in ("view", "ephemeral"), expected=expected, seen=f"it is materialized as {kind}")
        if kind != "ephemeral":
            see_names(shop, model)


def see_names(shop: Shop, element: Element) -> None:
    """Fail if a model or a test reads what it does not name by ref() or source(): dbt may build it before that."""
    strangers = shop.places.strangers(element, shop.database)
    expected = f"{element.name} reads only what it names by ref() or source()"
    expect(not strangers, expected=expected, seen=f"it reads {' and '.join(strangers)} past them, by a name that is written out")


def see_readers(manifest: Manifest) -> None:
    """Fail unless each source table is read by one model, which is a view and has the name of a staging model."""
    readers: dict[str, list[str]] = {}
    for model in manifest.of_kind("model"):
        for source in (manifest.sources[node] for node in model.depends_on.nodes if node in manifest.sources):
            readers.setdefault(source.table, []).append(model.name)
            right = model.name.startswith("stg_") and model.config.get("materialized") == "view"
            seen = f"{model.name} ({model.config.get('materialized')}) reads the source {source.table}"
            expect(right, expected="only views named stg_… read a source", seen=seen)
    for table in TABLES:
        found = readers.get(table, [])
        seen = f"read by {' and '.join(sorted(found))}" if found else "no model reads it by source(): dbt does not know of it"
        expect(len(found) == 1, expected=f"one model reads the source table {table}", seen=seen)


def test_good_rows_pass(shop):
    """On rows that are right no test fails or warns; nor when something comes that only looks odd."""
    assert shop.catalog is not None  # all is compiled
    for change in shop.plants.harmless():
        loud = shop.loud(change, shop.tests, fails=False)
        seen = f"planted: {change.what}. {', '.join(loud)}"
        expect(not loud, expected="no test speaks: this is right", seen=seen)


def seen_by(shop: Shop, kind: str, planted: Sequence[Planted]) -> None:
    """For each mistake a test of this kind fails."""
    tests = [test for test in shop.tests if (test.test_metadata is None) is (kind == "singular")]
    expect(tests, expected=f"{kind} tests{shop.where}", seen=f"there is no {kind} test in the project")
    for mistake in planted:
        loud = shop.loud(mistake, tests, fails=True)
        seen = f"planted: {mistake.what}. {'only ' + ', '.join(loud) if loud else f'All {kind} tests pass'}"
        expect(any("(fail)" in test for test in loud), expected=f"a {kind} test that fails{shop.where}", seen=seen)


def test_generic_tests(shop):
    """Rules 1, 2 and 3: a generic test fails when a key is there twice or missing, or a customer is unknown."""
    seen_by(shop, "generic", shop.plants.keys())


def test_singular_tests(shop):
    """Rules 4, 5 and 6: a singular test fails when revenue, customers or days are not what they must be."""
    seen_by(shop, "singular", [*shop.plants.revenue(), *shop.plants.people_and_days()])


def says_something(what: str, name: str, description: str) -> None:
    """Fail unless a description tells more than the name does."""
    text = description.strip()
    expect(text, expected=f"a description of {what}", seen="it has none")
    expect(not PLACEHOLDER.search(text), expected=f"a description of {what}", seen=f"a placeholder: {text!r}")
    more = [word for word in words(text) - words(name) - EMPTY_WORDS if len(word) > 2 or not word.isascii()]
    expect(more, expected=f"the description of {what} says more than its name", seen=f"{text!r}")


def test_documentation(shop):
    """`dbt docs generate` works; all models, their columns and the source's tables are described, beyond their names."""
    columns, manifest = shop.catalog, shop.dbt.manifest()
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
    """With RAW_SCHEMA and DBT_SCHEMA set, `dbt build` reads another schema, and builds and tests in another one."""
    for test in shop.tests:
        see_names(shop, test)
    for (schema,) in shop.database.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'analytics%'"):
        shop.database.execute(f'DROP SCHEMA "{schema}" CASCADE')
    fill(stack["warehouse"].endpoint, "landing", seed + 1)
    shop.database.execute("DROP SCHEMA raw CASCADE")
    there = outside(shop.database, "elsewhere")
    moved = Shop(shop.dbt.on(stack["warehouse"], "elsewhere", RAW_SCHEMA="landing"), shop.database, seed + 1, "landing")
    moved.dbt.build(expected="`RAW_SCHEMA=landing DBT_SCHEMA=elsewhere dbt build` ends well, without the schemas raw and analytics")
    strays = sorted(name for number, name in outside(shop.database, "elsewhere").items() if number not in there)
    seen = f"also built: {', '.join(strays)}"
    expect(not strays, expected="with DBT_SCHEMA=elsewhere all is built in schemas whose names begin with elsewhere", seen=seen)
    for mart in (DAILY, CUSTOMERS):
        compare(moved, mart)
    seen_by(moved, "generic", moved.plants.keys())
    seen_by(moved, "singular", [*moved.plants.revenue(), *moved.plants.people_and_days()])


if __name__ == "__main__":
    main(__file__)
