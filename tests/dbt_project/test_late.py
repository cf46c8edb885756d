"""Rows, versions and members that come late: the warehouse ends as if they had been in time."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

SCALE, SEED = 1, 8
HERE = Path(__file__).parent
TABLES = ("orders", "order_lines", "returns", "payments")
UNKNOWN = "'00000000000000000000000000000000'"


def sums(house: Any) -> dict[str, Any]:
    """Rows and a checksum of every mart."""
    tables = house.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'retail_marts'")
    sum_of = "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM retail_marts.{} AS t"
    return {table: house.rows(sum_of.format(table)) for (table,) in tables}


def same_as_built_at_once(house: Any) -> None:
    """All marts are what a build from nothing makes of the same sources."""
    seen = sums(house)
    assert house.dbt.run("run", "--full-refresh").success
    assert seen == sums(house)


def keep_aside(house: Any) -> None:
    """Move all rows of facts to a schema of their own, from where they arrive."""
    house.execute("CREATE SCHEMA all_rows")
    for table in TABLES:
        house.execute(f"ALTER TABLE public.{table} SET SCHEMA all_rows", f"CREATE TABLE public.{table} (LIKE all_rows.{table})")


def arrive(house: Any, until: dt.date) -> None:
    """What head office has received by a day: orders as recorded, all else when it happened (and its order is there)."""
    house.execute(f"TRUNCATE {', '.join(f'public.{table}' for table in TABLES)}")
    when = {"orders": "recorded_at", "returns": "returned_at", "payments": "paid_at"}
    for table, column in when.items():
        house.execute(f"INSERT INTO public.{table} SELECT * FROM all_rows.{table} WHERE {column} < '{until} 00:00:00+00'")
    house.execute(
        "INSERT INTO public.order_lines SELECT * FROM all_rows.order_lines WHERE order_id IN (SELECT order_id FROM orders)"
    )


def test_late_orders_are_taken_in_day_by_day(house: Any, truth: Any, in_order: Any) -> None:
    house.load(scale=SCALE, seed=SEED, faults={"late": 0.8})
    keep_aside(house)
    end = dt.date(2026, 2, 1)
    counts = []
    for until in (dt.date(2025, 12, 1), dt.date(2025, 12, 8), dt.date(2025, 12, 22), end):
        arrive(house, until)
        house.build()
        counts += house.rows("SELECT count(*) FROM retail_marts.fct_orders")
    assert [count for (count,) in counts] == sorted({count for (count,) in counts})
    late = "SELECT count(*) FROM orders WHERE recorded_at >= '2025-12-22' AND ordered_at < '2025-12-22'"
    assert house.rows(late)[0][0] > 1
    early = "SELECT count(*) FROM all_rows.payments p JOIN all_rows.orders o USING (order_id) WHERE paid_at < '2025-12-22'"
    assert house.rows(f"{early} AND recorded_at >= '2025-12-22'")[0][0] > 1, "payments that came before their order"
    for answer in ("order_totals", "daily_sales", "monthly_revenue", "segment_sales", "clean_totals", "product_sales"):
        assert in_order(house.rows((HERE / "answers" / f"{answer}.sql").read_text())) == truth(answer, SCALE, SEED)
    same_as_built_at_once(house)


@pytest.mark.parametrize(("days", "taken"), [(3, True), (40, False)])
def test_a_row_older_than_the_lookback_is_missed_and_told(house: Any, days: int, taken: bool) -> None:
    """Delivered out of the order in which they were recorded: the window takes them in, or a test says that it did not."""
    house.load(scale=SCALE, seed=SEED)
    keep_aside(house)
    house.execute(*(f"INSERT INTO public.{table} SELECT * FROM all_rows.{table}" for table in TABLES))
    newest = "SELECT max(recorded_at) FROM all_rows.orders"
    some = f"SELECT order_id FROM all_rows.orders WHERE recorded_at < ({newest}) - interval '{days} days'"
    house.execute(f"CREATE TABLE all_rows.some AS {some} ORDER BY recorded_at DESC LIMIT 4")
    house.execute(*(f"DELETE FROM public.{table} WHERE order_id IN (SELECT order_id FROM all_rows.some)" for table in TABLES))
    house.build()
    for table in TABLES:
        house.execute(
            f"INSERT INTO public.{table} SELECT * FROM all_rows.{table} JOIN all_rows.some USING (order_id)".replace(
                "*", f"{table}.*"
            )
        )
    built = house.dbt.build()
    if taken:
        assert built.success
    else:
        failed = {name.partition("_order_id")[0].partition("_order_line_id")[0] for name in built.with_status("fail")}
        assert failed >= {"same_rows_as_fct_order_lines"}
        house.build(lookback_days=100)
    same_as_built_at_once(house)


def test_versions_that_come_late_reach_the_facts_before_them(house: Any, truth: Any, in_order: Any) -> None:
    house.load(scale=SCALE, seed=SEED)
    house.execute(
        "CREATE SCHEMA all_rows",
        "CREATE TABLE all_rows.customers_late AS SELECT * FROM customer_changes WHERE version = 2",
        # (a category that is not known yet would rightly make discounts look wrong)
        "CREATE TABLE all_rows.products_late AS SELECT change.* FROM product_changes AS change JOIN product_changes AS first "
        "USING (product_id, category) WHERE change.version = 2 AND first.version = 1",
        "DELETE FROM customer_changes WHERE version = 2",
        "DELETE FROM product_changes WHERE change_id IN (SELECT change_id FROM all_rows.products_late)",
    )
    house.build()
    house.execute(
        "INSERT INTO customer_changes SELECT * FROM all_rows.customers_late",
        "INSERT INTO product_changes SELECT * FROM all_rows.products_late",
    )
    house.build()
    for answer in ("segment_sales", "customer_history", "product_history", "customer_previous"):
        assert in_order(house.rows((HERE / "answers" / f"{answer}.sql").read_text())) == truth(answer, SCALE, SEED)
    same_as_built_at_once(house)


def test_members_that_come_after_their_facts_take_the_place_of_the_unknown(house: Any, truth: Any, in_order: Any) -> None:
    house.load(scale=SCALE, seed=SEED)
    members = {"customers": "customer_id % 3 = 0", "customer_changes": "customer_id % 3 = 0", "stores": "store_id % 6 = 1"}
    members |= {"products": "product_id % 4 = 0", "product_changes": "product_id % 4 = 0"}
    members |= {"promotions": "promotion_id % 2 = 0", "exchange_rates": "currency = 'GBP'"}
    house.execute("CREATE SCHEMA all_rows")
    for table, which in members.items():
        house.execute(f"CREATE TABLE all_rows.{table} AS SELECT * FROM {table} WHERE {which}", f"DELETE FROM {table} WHERE {which}")
    built = house.build()
    assert len([name for name in built.with_status("warn") if name.startswith("source_relationships")]) == 3
    totals = (HERE / "answers" / "clean_totals.sql").read_text()
    assert in_order(house.rows(totals)) == truth("clean_totals", SCALE, SEED), "no fact is lost"
    assert {"not_null_fct_orders_amount_euro", "not_null_fct_order_lines_amount_euro"} <= set(built.with_status("warn"))
    keys = "customer_key, product_key, store_key, promotion_key"
    unknown = f"SELECT count(*) FROM retail_marts.fct_order_lines WHERE {UNKNOWN} IN ({keys})"
    assert house.rows(unknown)[0][0] > 500
    for table in members:
        house.execute(f"INSERT INTO {table} SELECT * FROM all_rows.{table}")
    house.build()
    assert house.rows(unknown) == [(0,)]
    assert in_order(house.rows((HERE / "answers" / "monthly_revenue.sql").read_text())) == truth("monthly_revenue", SCALE, SEED)
    same_as_built_at_once(house)


def test_snapshots_keep_what_the_source_overwrites(house: Any, truth: Any) -> None:
    house.load(scale=SCALE, seed=SEED, tables=["customers", "products"])
    days = [dt.date(2024, 6, 30), dt.date(2024, 12, 31), dt.date(2025, 6, 30), dt.date(2025, 12, 30)]
    house.execute("CREATE SCHEMA all_rows", "CREATE TABLE all_rows.customers AS SELECT * FROM customers")
    seen: dict[Any, list[Any]] = {}
    for day in days:
        states = truth("customers_on", SCALE, SEED, day=day)
        house.execute("TRUNCATE customers", "INSERT INTO customers SELECT * FROM all_rows.customers")
        house.execute(f"DELETE FROM customers WHERE customer_id NOT IN ({', '.join(str(row[1]) for row in states)})")
        values = ", ".join(f"({row[1]}, '{row[2]}', '{row[3]}', '{row[4]}', '{row[5].isoformat()}'::timestamptz)" for row in states)
        house.execute(
            f"UPDATE customers AS c SET city = v.city, postal_code = v.code, segment = v.segment, updated_at = v.at "
            f"FROM (VALUES {values}) AS v (id, city, code, segment, at) WHERE v.id = c.customer_id"
        )
        built = house.dbt.run("build", "--select", "stg_customers", "stg_products", "resource_type:snapshot")
        assert built.success, built.bad()
        for _, number, city, code, segment, at in states:
            versions = seen.setdefault(number, [])
            if not versions or versions[-1][-1] != at:
                versions.append((number, city, code, segment, at))
    expected = [
        (*version, following[-1] if following else None)
        for versions in seen.values()
        for version, following in zip(versions, [*versions[1:], None], strict=True)
    ]
    columns = "customer_id, city, postal_code, segment, valid_from, valid_to"
    kept = house.rows(f"SELECT {columns} FROM retail_snapshots.customers_snapshot ORDER BY 1, 5")
    assert len(kept) > len(seen) + 50
    assert kept == sorted(expected, key=lambda row: (row[0], row[4]))


def test_a_snapshot_without_a_time_stamp_compares_columns(house: Any) -> None:
    house.load(scale=0.1, seed=SEED, tables=["customers", "products"])
    select = ("--select", "stg_customers", "stg_products", "resource_type:snapshot")
    assert house.dbt.run("build", *select).success
    house.execute(
        "UPDATE products SET weight = weight + 1 WHERE product_id = 1", "UPDATE products SET price = price + 1 WHERE product_id = 2"
    )
    house.execute("DELETE FROM products WHERE product_id = 3")
    assert house.dbt.run("build", *select).success
    versions = (
        "SELECT product_id, count(*), count(valid_to) FROM retail_snapshots.products_snapshot WHERE product_id < 5 GROUP BY 1"
    )
    assert sorted(house.rows(versions)) == [(1, 1, 0), (2, 2, 1), (3, 1, 1), (4, 1, 0)]
