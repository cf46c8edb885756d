"""The learner's dbt project, as a check sees it: right, wrong and brutal ones, on a real server."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from delab import lab, templates, warehouse
from delab.checks import Work
from delab.checks.dbt import Element, Project
from delab.checks.dbt_tests import ask_dbt, asks_early, judge
from delab.checks.failing import CheckFailed
from delab.checks.handed_in import check_folder
from delab.checks.work import untouched
from delab.errors import Blocked
from delab.runtime import Node
from delab.services import make
from delab.warehouse import Worker

PROFILE = """
shop:
  target: here
  outputs:
    here:
      type: postgres
      host: "{{ env_var('PGHOST') }}"
      port: "{{ env_var('PGPORT') | as_number }}"
      user: "{{ env_var('PGUSER') }}"
      password: "{{ env_var('PGPASSWORD') }}"
      dbname: "{{ env_var('PGDATABASE') }}"
      schema: "{{ env_var('DBT_SCHEMA', 'analytics') }}"
      threads: 2
"""
SOURCES = """
sources: [{name: shop, schema: "{{ var('raw', 'raw') }}", tables: [{name: orders}]}]
models:
  - name: totals
    description: Orders by customer.
    columns: [{name: customer_id, description: Who ordered., data_tests: [unique, not_null]}, {name: total}]
"""
TOTALS = "select customer_id, sum(amount) as total\nfrom {{ source('shop', 'orders') }} group by customer_id\n"
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}select 1 as n"
LOUD = "{% for a in range(99999) %}{% for b in range(999) %}{{ log('x' * 400000, info=true) }}{% endfor %}{% endfor %}select 1 as n"
Lay = Callable[[dict[str, str]], Project]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    opened = Worker(["postgres"])
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def stack() -> Iterator[templates.Scratch]:
    made = templates.Scratch(templates.Plan("dbt", (make("primary", {"kind": "postgres"}),)))
    made.start()
    yield made
    made.destroy()


@pytest.fixture
def lay(worker: Worker, stack: templates.Scratch, place: Path) -> Lay:
    def laid(files: dict[str, str]) -> Project:
        folder = place / "mine"
        whole = {"dbt_project.yml": "name: shop\nprofile: shop\n", "profiles.yml": PROFILE}
        for name, text in {**whole, "models/totals.sql": TOTALS, "models/totals.yml": SOURCES, **files}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        (place / "run").mkdir()
        project = Project(Work(lab.get(902), folder, place / "run"), warehouse.server(stack), worker)
        project.database.execute(
            "DROP SCHEMA IF EXISTS raw CASCADE; DROP SCHEMA IF EXISTS analytics CASCADE; DROP SCHEMA IF EXISTS other CASCADE;"
            "CREATE SCHEMA raw; CREATE TABLE raw.orders (order_id int PRIMARY KEY, customer_id int, amount numeric);"
            "INSERT INTO raw.orders VALUES (1, 1, 10), (2, 1, 5), (3, 2, 1)"
        )
        return project

    return laid


def seen(call: Callable[[], object]) -> str:
    with pytest.raises(CheckFailed) as caught:
        call()
    return caught.value.failure.seen


def test_a_project_is_built_and_its_tables_are_found(lay: Lay) -> None:
    dbt = lay({})
    built = dbt.build()
    assert built["totals"].status == "success"
    assert dbt.relation("totals") == '"analytics"."totals"'
    assert dbt.rows("SELECT total FROM {totals} WHERE customer_id = %s", 1) == [(15,)]
    assert dbt.build().success, "and a second time"
    assert dbt.build("--select", "totals").success


def test_another_schema_and_other_variables(lay: Lay, stack: templates.Scratch) -> None:
    dbt = lay({})
    dbt.database.execute(
        "CREATE SCHEMA other; CREATE TABLE other.orders AS TABLE raw.orders; DELETE FROM other.orders WHERE order_id = 1"
    )
    other = dbt.on(warehouse.server(stack), "other")
    other.build(raw="other")
    dbt.build()
    assert other.relation("totals") == '"other"."totals"'
    assert other.rows("SELECT sum(total) FROM {totals}") == [(6,)]
    assert dbt.rows("SELECT sum(total) FROM {totals}") == [(16,)]


def test_what_the_project_is_made_of(lay: Lay) -> None:
    manifest = lay({"tests/positive.sql": "select * from {{ ref('totals') }} where total < 0"}).manifest()
    model = manifest.model("totals")
    assert (model.description, model.config["materialized"]) == ("Orders by customer.", "view")
    assert model.columns["customer_id"].description == "Who ordered."
    assert model.depends_on.nodes == ("source.shop.shop.orders",)
    names = {(test.test_metadata.name if test.test_metadata else test.name, test.column_name) for test in manifest.tests("totals")}
    assert names == {("unique", "customer_id"), ("not_null", "customer_id"), ("positive", None)}
    with pytest.raises(CheckFailed, match="only totals"):
        manifest.model("dim_customer")


def test_a_source_is_the_table_that_it_stands_for() -> None:
    assert Element("source.shop.shop.people", "people", "source", identifier="customers").table == "customers"
    assert Element("source.shop.shop.orders", "orders", "source").table == "orders"


def test_the_catalog_has_the_columns(lay: Lay) -> None:
    dbt = lay({})
    dbt.build()
    assert dbt.catalog()["model.shop.totals"] == ["customer_id", "total"]


def test_planted_rows_fire_tests_and_are_taken_back(lay: Lay) -> None:
    dbt = lay({})
    dbt.build()
    with dbt.planted("raw.orders", "UPDATE raw.orders SET customer_id = NULL WHERE order_id = 3"):
        fired = dbt.fired(dbt.run("test"))
    assert [(test.test_metadata and test.test_metadata.name, test.column_name) for test in fired] == [("not_null", "customer_id")]
    assert dbt.fired(dbt.run("test")) == []
    assert dbt.database.value("SELECT count(customer_id) FROM raw.orders") == 3


def test_what_a_table_computes_and_numbers_is_taken_back_too(lay: Lay) -> None:
    dbt = lay({})
    dbt.database.execute(
        "CREATE TABLE raw.lines (n int GENERATED ALWAYS AS IDENTITY, twice int GENERATED ALWAYS AS (2 * one) STORED, one int);"
        "INSERT INTO raw.lines (one) VALUES (3), (4)"
    )
    before = dbt.database.rows("SELECT * FROM raw.lines ORDER BY n")
    with dbt.planted("raw.lines", "DELETE FROM raw.lines WHERE n = 1"):
        assert dbt.database.rows("SELECT * FROM raw.lines") == before[1:]
    assert dbt.database.rows("SELECT * FROM raw.lines ORDER BY n") == before


def test_a_test_that_counts_while_dbt_compiles_is_asked_by_dbt(lay: Lay) -> None:
    counts = """
    {% set found = run_query("select 1 from " ~ source('shop', 'orders') ~ " where amount < 0") %}
    select 1 where {{ found | length if execute else 0 }} > 0
    """
    plant = "UPDATE raw.orders SET amount = -1 WHERE order_id = 3; DELETE FROM raw.orders WHERE order_id = 1"
    plain = lay({"models/totals.sql": f"{{{{ config(materialized='view') }}}}\n{TOTALS}"})
    assert not asks_early(plain)
    (plain.work.folder / "tests").mkdir()
    (plain.work.folder / "tests" / "no_debts.sql").write_text(counts)
    assert asks_early(plain)
    plain.build(expected="all tests pass")
    tests = plain.manifest().tests()
    before = plain.database.rows("SELECT * FROM raw.orders ORDER BY 1")
    assert {told.said for told in judge(plain, plain.database, plant, tests)} == {"pass"}  # it was compiled on the good rows
    assert [told.name for told in ask_dbt(plain, plant) if told.said == "fail"] == ["no_debts"]
    assert len(ask_dbt(plain, plant, [test for test in tests if test.name != "no_debts"])) == len(tests) - 1
    assert plain.database.rows("SELECT * FROM raw.orders ORDER BY 1") == before


def test_an_error_of_sql_names_model_and_line(lay: Lay) -> None:
    said = seen(lay({"models/totals.sql": TOTALS.replace("sum(amount)", "sum(amont)")}).build)
    assert said.startswith("totals: error")
    assert 'column "amont" does not exist' in said
    assert "that is models/totals.sql, line 1" in said
    assert "/run/" not in said


def test_a_failed_test_is_named(lay: Lay) -> None:
    dbt = lay({"models/totals.sql": TOTALS.replace("group by customer_id", "group by customer_id, order_id")})
    assert "unique_totals_customer_id: fail; it found 1 rows" in seen(dbt.build)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"models/totals.sql": "select * from {{ ref('nowhere') }}"}, "'nowhere' which was not found"),
        ({"models/totals.sql": "select {{ 1"}, "models/totals.sql"),
        ({"models/totals.yml": "models: ["}, "totals.yml"),
        ({"dbt_project.yml": "name: 3 x\nprofile: shop\n"}, "3 x"),
        ({"profiles.yml": "other: {}"}, "shop"),
        ({"models/totals.sql": "{{ config(enabled=false) }}" + TOTALS}, "no model that is enabled"),
        ({"profiles.yml": PROFILE.replace("{{ env_var('PGDATABASE') }}", "template1")}, "profiles.yml leads to another"),
    ],
)
def test_what_cannot_be_built_is_explained(lay: Lay, files: dict[str, str], says: str) -> None:
    dbt = lay(files)
    if "template1" in files.get("profiles.yml", ""):
        dbt.work.path("models/totals.sql").write_text("select 1 as customer_id, 1 as total")
    said = seen(dbt.build)
    assert says in said, said
    assert str(dbt.work.run_folder) not in said
    if "template1" in files.get("profiles.yml", ""):
        dbt.database.rows("DROP SCHEMA analytics CASCADE", database="template1")


def test_what_does_not_end_is_stopped(lay: Lay) -> None:
    dbt = lay({"models/totals.sql": ENDLESS})
    assert "and was stopped" in seen(lambda: dbt.build(seconds=5))
    dbt.work.path("models/totals.sql").write_text("select pg_sleep(600)::text as customer_id, 1 as total")
    said = seen(lambda: dbt.build("--select", "totals", seconds=40))
    assert "statement timeout" in said or "was stopped" in said
    dbt.work.path("models/totals.sql").write_text(TOTALS)
    dbt.build()


def test_what_prints_without_end_is_stopped(lay: Lay) -> None:
    assert "printed more than" in seen(lambda: lay({"models/totals.sql": LOUD}).build(seconds=40))


def test_a_project_that_has_gone_is_missed(lay: Lay) -> None:
    dbt = lay({})
    shutil.rmtree(dbt.work.folder)
    assert seen(dbt.build) == "there is no such file"


def test_a_dead_server_blocks(lay: Lay, stack: templates.Scratch) -> None:
    dbt = lay({})
    node: Node = stack["primary"]
    node.kill()
    try:
        with pytest.raises(Blocked, match="does not answer"):
            dbt.build()
    finally:
        node.start()


def test_an_interrupted_check_leaves_a_worker_for_the_next(lay: Lay, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    dbt = lay({})

    def interrupted(request: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(worker, "answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dbt.build()
    monkeypatch.undo()
    assert dbt.build().success


def test_folders_are_handed_in_whole(place: Path) -> None:
    (place / "models" / "marts").mkdir(parents=True)
    subject = lab.get(902)
    assert seen(lambda: check_folder(subject, place / "seeds", "seeds/")) == "there is no such folder"
    assert seen(lambda: check_folder(subject, place / "models", "models/")) == "the folder is empty"
    (place / "models" / "marts" / "a.sql").write_text("select 1")
    check_folder(subject, place / "models", "models/")
    (place / "models" / "marts" / "b.sql").write_text("")
    assert seen(lambda: check_folder(subject, place / "models", "models/")) == "the file is empty"


def test_what_dbt_writes_is_no_work_of_the_learner(place: Path) -> None:
    subject = lab.get(902)
    shutil.copytree(subject.start, place / "mine")
    (place / "mine" / "target").mkdir()
    (place / "mine" / "target" / "manifest.json").write_text("{}")
    assert untouched(subject, place / "mine")
