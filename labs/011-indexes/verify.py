"""Checks of lab 11: the indexes that the queries need, no more, and a measurement that can be trusted."""

import json
import random
from dataclasses import dataclass
from typing import Any

import pytest

from delab.checks import Database, expect, fail, main, show

QUERIES = {
    "customer_orders": "SELECT order_id, ordered_at, status FROM orders WHERE customer_id = {customer}"
    " ORDER BY ordered_at DESC LIMIT 10",
    "product_sales": "SELECT sum(quantity), sum(amount) FROM order_lines WHERE product_id = {product}",
    "open_orders": "SELECT order_id, ordered_at FROM orders WHERE store_id = {store} AND status = 'open'",
    "find_by_email": "SELECT customer_id, name FROM customers WHERE lower(email) = lower('{email}')",
    "tagged_orders": "SELECT order_id FROM orders WHERE tags @> ARRAY['{campaign}', '{gift}']",
    "views_of_a_day": "SELECT count(*), sum(milliseconds) FROM page_views"
    " WHERE viewed_at >= '{day}' AND viewed_at < timestamptz '{day}' + interval '1 day'",
}
TABLES = ("customers", "orders", "order_lines", "page_views")
TOTAL = 10_000_000  # bytes of all indexes that are added to a verification's shop
OPEN = 100_000  # bytes of the index for open orders


@dataclass(frozen=True)
class Asked:
    """One query with values, what it gave before there were indexes, and what it cost then."""

    name: str
    statement: str
    rows: list[Any]
    pages: int


def plan_of(database: Database, statement: str) -> dict[str, Any]:
    """The plan of a query that was run, with the pages that each node touched."""
    return dict(database.value(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")[0]["Plan"])


def pages(plan: dict[str, Any]) -> int:
    """Pages that a plan touched, in memory or not."""
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """A plan's nodes."""
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


def used(plan: dict[str, Any]) -> set[str]:
    """The indexes that a plan reads."""
    return {node["Index Name"] for node in nodes(plan) if "Index Name" in node}


def rows_of(database: Database, statement: str) -> list[Any]:
    """A query's rows in an order of our own, where it has none."""
    rows = database.rows(statement)
    return rows if "ORDER BY" in statement else sorted(rows)


def values(database: Database, seed: int) -> dict[str, Any]:
    """Values that make the queries work hard: a good customer, a product that sells, tags that occur."""
    chance = random.Random(seed)
    best = "SELECT {0} FROM {1} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 12"
    tags = chance.choice(database.rows("SELECT tags FROM orders ORDER BY order_id LIMIT 500"))[0]
    return {
        "customer": chance.choice(database.rows(best.format("customer_id", "orders")))[0],
        "product": chance.choice(database.rows(best.format("product_id", "order_lines"))[6:])[0],
        "store": chance.choice(database.rows("SELECT store_id FROM orders WHERE status = 'open' ORDER BY order_id LIMIT 20"))[0],
        "email": chance.choice(database.rows("SELECT upper(email) FROM customers ORDER BY 1 LIMIT 200"))[0],
        "campaign": tags[1],
        "gift": tags[2],
        "day": f"2025-0{chance.randint(2, 4)}-{chance.randint(10, 27)}",
    }


SHAPE = """
SELECT CASE nspname WHEN 'public' THEN '' ELSE nspname || '.' END || c.relname, c.relkind::text, c.relfilenode,
       c.reltuples::bigint, c.reloptions, array_agg(
         concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage, a.attstattarget)
         ORDER BY a.attnum)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE nspname !~ '^(pg_|information_schema)' AND c.relkind <> 'i' GROUP BY c.oid, nspname ORDER BY 1
"""
EXTRAS = """
SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'rule ' || rulename FROM pg_rewrite JOIN pg_class c ON c.oid = ev_class
  WHERE c.relnamespace = 'public'::regnamespace AND rulename <> '_RETURN'
UNION ALL SELECT 'statistics ' || stxname FROM pg_statistic_ext
UNION ALL SELECT 'constraint ' || conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'setting ' || unnest(setconfig) FROM pg_db_role_setting
UNION ALL SELECT 'setting ' || name || ' = ' || setting FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'
ORDER BY 1
"""
INDEXES = """
SELECT c.relname, t.relname, i.indisvalid, pg_relation_size(c.oid), i.indisunique, am.amname,
       ARRAY(SELECT pg_get_indexdef(c.oid, n, true) FROM generate_series(1, i.indnkeyatts) n),
       coalesce(pg_get_expr(i.indpred, i.indrelid), ''), i.indnatts, pg_get_indexdef(c.oid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid JOIN pg_am am ON am.oid = c.relam
WHERE t.relnamespace = 'public'::regnamespace AND NOT i.indisprimary ORDER BY 1
"""


@dataclass(frozen=True)
class Index:
    """An index that was added."""

    name: str
    table: str
    valid: bool
    size: int
    unique: bool
    method: str
    keys: list[str]
    predicate: str
    columns: int
    definition: str


@pytest.fixture(scope="module")
def database(stack) -> Database:
    """The shop."""
    return Database(stack["primary"], seconds=40)


@pytest.fixture(scope="module")
def before(database, seed) -> dict[str, Any]:
    """The shop before the learner's file: shape, other objects, and each query's rows and cost."""
    chosen = values(database, seed)
    asked = {}
    for name, template in QUERIES.items():
        statement = template.format(**chosen)
        asked[name] = Asked(name, statement, rows_of(database, statement), pages(plan_of(database, statement)))
    return {"shape": database.rows(SHAPE), "extras": database.rows(EXTRAS), "asked": asked}


def apply(work) -> Any:
    """Run indexes.sql as psql does, stopping at the first error."""
    program = work.environment["PATH"].split(":")[0] + "/psql"
    command = [program, work.environment["PRIMARY_DSN"], "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(work.path("indexes.sql"))]
    return work.run_command(command, seconds=40)


def added(database: Database) -> list[Index]:
    """The indexes beside the primary keys."""
    return [Index(*row) for row in database.rows(INDEXES)]


def test_applies(before, database, work):
    """psql runs `indexes.sql` without an error, and every index is valid."""
    apply(work).succeeded("psql runs indexes.sql without an error")
    expect(added(database), expected="indexes beside the primary keys", seen="none was added")
    for index in added(database):
        expect(index.valid, expected=f"index {index.name} is valid", seen="it is marked invalid: its creation broke off")
    database.execute("VACUUM ANALYZE")


def test_applies_again(database, work):
    """A second run changes nothing and gives no error."""
    names = [index.name for index in added(database)]
    apply(work).succeeded("a second run of indexes.sql without an error")
    again = [index.name for index in added(database)]
    expect(
        names == again,
        expected=f"the same {len(names)} indexes after a second run",
        seen=f"{', '.join(sorted(set(again) ^ set(names)))} as well",
    )


def test_tables_as_they_were(before, database):
    """Tables, rows, constraints and settings are as they were: only indexes were added."""
    was, now = {row[0]: row[1:] for row in before["shape"]}, {row[0]: row[1:] for row in database.rows(SHAPE)}
    for name in sorted(was.keys() | now.keys()):
        seen = "it is new" if name not in was else "it is gone" if name not in now else "it was changed or written anew"
        expect(was.get(name) == now.get(name), expected=f"{name} as it was: only indexes are added", seen=seen)
    more = {row[0] for row in database.rows(EXTRAS)} ^ {row[0] for row in before["extras"]}
    expect(not more, expected="no other object and no setting is added or removed", seen=", ".join(sorted(more)))


def judge(database: Database, before, evidence, name: str, budget: int, cause: str) -> dict[str, Any]:
    """One query: the same rows as before, within its budget of pages. Returns the plan."""
    asked: Asked = before["asked"][name]
    rows = rows_of(database, asked.statement)
    expect(rows == asked.rows, expected=f"the same rows as without indexes for: {asked.statement}", seen=f"{show(rows)}")
    plan_of(database, asked.statement)  # hint bits and the visibility map settle
    plan = plan_of(database, asked.statement)
    evidence.note(f"{asked.pages:,} pages before, {pages(plan):,} now (budget {budget:,})")
    scans = ", ".join(
        f"{node['Node Type']} {node.get('Index Name', node.get('Relation Name', ''))}".strip()
        for node in nodes(plan)
        if "Scan" in node["Node Type"]
    )
    command = f'lab psql 11 primary -c "EXPLAIN (ANALYZE, BUFFERS) {asked.statement}"'
    expect(
        pages(plan) <= budget,
        expected=f"at most {budget:,} pages",
        seen=f"{pages(plan):,} pages, by {scans}{cause}",
        command=command,
    )
    return plan


def test_customer_orders(before, database, evidence):
    """`customer_orders` touches at most 20 pages, also for the best customer."""
    judge(
        database, before, evidence, "customer_orders", 20, ": all orders of the customer are read, or sorted, for the sake of ten"
    )


def test_product_sales(before, database, evidence):
    """`product_sales` touches at most one page for 20 lines of the product (and 15 more)."""
    lines = database.value(before["asked"]["product_sales"].statement.replace("sum(quantity), sum(amount)", "count(*)"))
    budget = 15 + lines // 20
    judge(
        database,
        before,
        evidence,
        "product_sales",
        budget,
        f": {lines:,} lines, each on a page of the table; an index that covers the query needs no table",
    )


def test_open_orders(before, database, evidence):
    """`open_orders` touches at most two pages an order found (and 10 more), through an index of at most 100 kB."""
    found = len(before["asked"]["open_orders"].rows)
    plan = judge(database, before, evidence, "open_orders", 10 + 2 * found, "")
    sizes = {index.name: index.size for index in added(database)}
    for name in used(plan):
        size = sizes.get(name, 0)
        seen = f"{name} has {size:,} bytes: it holds the closed orders too"
        expect(size <= OPEN, expected=f"an index of at most {OPEN:,} bytes for open orders", seen=seen)


def test_find_by_email(before, database, evidence):
    """`find_by_email` touches at most 8 pages."""
    judge(database, before, evidence, "find_by_email", 8, ": the condition is on lower(email), not on email")


def test_tagged_orders(before, database, evidence):
    """`tagged_orders` touches at most two pages an order found (and 40 more)."""
    found = len(before["asked"]["tagged_orders"].rows)
    judge(
        database, before, evidence, "tagged_orders", 40 + 2 * found, ": an index that knows the elements of an array is asked for"
    )


def test_views_of_a_day(before, database, evidence):
    """`views_of_a_day` touches at most a quarter of the table's pages."""
    budget = database.value("SELECT relpages / 4 FROM pg_class WHERE oid = 'page_views'::regclass")
    judge(database, before, evidence, "views_of_a_day", budget, "")


def test_no_index_too_many(before, database):
    """Every index is used by one of the six queries, and none repeats the beginning of another."""
    indexes = added(database)
    in_use = {name for asked in before["asked"].values() for name in used(plan_of(database, asked.statement))}
    for index in indexes:
        longer = [other.name for other in indexes if other is not index and repeats(index, other)]
        seen = f"{index.name} holds what {', '.join(longer)} begins with"
        expect(not longer, expected="no index that another makes superfluous", seen=seen)
    idle = [index.name for index in indexes if index.name not in in_use]
    seen = f"{', '.join(idle)}: written at each change, read by none of the queries"
    expect(not idle, expected="only indexes that a query of the workload uses", seen=seen)


def repeats(index: Index, other: Index) -> bool:
    """Whether an index is the same as the beginning of another (of two equal ones, the later name is the repeat)."""
    alike = (index.table, index.method, index.predicate) == (other.table, other.method, other.predicate)
    if not alike or index.unique or index.method not in ("btree", "brin", "hash", "gin"):
        return False
    starts = other.keys[: len(index.keys)] == index.keys
    return starts and (len(other.keys) > len(index.keys) or (other.columns, other.name) > (index.columns, index.name))


def test_small_enough(database, evidence):
    """All indexes together have at most 10 MB (in a shop of 40,000 orders, 117,000 lines and 200,000 views)."""
    sizes = {index.name: index.size for index in added(database)}
    total = sum(sizes.values())
    evidence.note(f"{total / 1e6:.1f} MB in {len(sizes)} indexes")
    largest = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:3])
    expect(total <= TOTAL, expected=f"at most {TOTAL / 1e6:.0f} MB", seen=f"{total / 1e6:.1f} MB; the largest are {largest}")


def test_updates_stay_cheap(database, evidence):
    """An update of `orders.touched_at` writes to no index: nine in ten are heap-only."""
    count = "SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'orders'"
    with database.session() as session, session.cursor() as cursor:
        cursor.execute("SELECT pg_stat_reset_single_table_counters('orders'::regclass)")
        cursor.execute("UPDATE orders SET touched_at = now() WHERE order_id % 40 = 7")
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(count)
        hot, updates = cursor.fetchone()
    evidence.note(f"{hot:,} of {updates:,} updates were heap-only")
    holders = (
        ", ".join(index.name for index in added(database) if index.table == "orders" and "touched_at" in index.definition)
        or "an index"
    )
    seen = f"{hot:,} of {updates:,}: {holders} holds touched_at, so each update writes to every index of the table"
    expect(hot >= 0.9 * updates, expected="nine updates in ten are heap-only (HOT)", seen=seen)


def test_measures(before, database, work, seed):
    """`measure.py FILE` prints for each query of the file a line of JSON with its pages and rows.

    They are counted as EXPLAIN (ANALYZE, BUFFERS) counts them.
    """
    chosen = values(database, seed + 1)
    queries = {name: template.format(**chosen) for name, template in QUERIES.items()}
    queries["join"] = f"SELECT count(*) FROM orders JOIN order_lines USING (order_id) WHERE store_id = {chosen['store']}"
    (work.folder / "asked.sql").write_text("-- asked\n" + "".join(f"-- name: {name}\n{text};\n" for name, text in queries.items()))
    run = work.run("measure.py", "asked.sql", seconds=40).succeeded("measure.py ends with exit code 0")
    told = {}
    for line in run.lines():
        entry = read(line)
        told[entry["query"]] = entry
    for name, statement in queries.items():
        expect(name in told, expected=f"a line for each query, {name} among them", seen=f"lines for {', '.join(told) or 'none'}")
        plan = plan_of(database, statement)
        compare(name, told[name], plan)


def read(line: str) -> dict[str, Any]:
    """One line of measure.py."""
    expected = 'lines such as {"query": "open_orders", "buffers": 12, "rows": 8}'
    try:
        entry = json.loads(line)
    except ValueError:
        fail(expected=expected, seen=f"a line that is not JSON: {show(line)}")
    expect(isinstance(entry, dict) and {"query", "buffers", "rows"} <= entry.keys(), expected=expected, seen=show(line))
    for key in ("buffers", "rows"):
        expect(isinstance(entry[key], int | float), expected=f"{key} is a number", seen=f"{entry[key]!r}")
    return dict(entry)


def compare(name: str, told: dict[str, Any], plan: dict[str, Any]) -> None:
    """Compare a line with a run of our own; a few pages may differ between two runs."""
    truth, rows = pages(plan), int(plan["Actual Rows"])
    margin = 25 + truth // 10  # a session that is new touches some pages more
    every_node = sum(pages(node) for node in nodes(plan))
    cause = ""
    if abs(told["buffers"] - truth) > margin:
        if len(nodes(plan)) > 1 and abs(told["buffers"] - every_node) <= margin + every_node // 20:
            cause = ": the sum over all nodes, but each node's count holds those below it"
        elif told["buffers"] < truth:
            cause = ": pages found in memory (hit) count as well as those read"
    expect(
        not cause and abs(told["buffers"] - truth) <= margin,
        expected=f"{name}: {truth:,} pages (± {margin})",
        seen=f"{told['buffers']:,}{cause}",
    )
    expect(told["rows"] == rows, expected=f"{name}: {rows} rows", seen=f"{told['rows']}")


if __name__ == "__main__":
    main(__file__)
