"""Checks of the lab that fills a table."""

from delab import wait
from delab.checks import Database, expect, fail, main
from delab.errors import Timeout


def test_rows(stack, work):
    """The table holds as many rows as were asked for."""
    primary = Database(stack["primary"])
    wanted = primary.value("SELECT n FROM wanted")
    work.run("fill.py|fill.sh", env={"N": str(wanted)}, seconds=10).succeeded()
    seen = primary.value("SELECT count(*) FROM numbers")
    said = f"{seen} rows" + (", one too few: is the end of the range exclusive?" if seen == wanted - 1 else "")
    expect(seen == wanted, expected=f"{wanted} rows", seen=said)


def test_replicated(stack):
    """The rows arrive at the replica."""
    wanted = Database(stack["primary"]).value("SELECT n FROM wanted")
    if Database(stack["primary"]).value("SELECT relpersistence FROM pg_class WHERE relname = 'numbers'") == "u":
        fail(expected="a table that is replicated", seen="the table is unlogged: it has no WAL, so no replica gets it")
    try:
        wait.until(lambda: Database(stack["replica1"]).value("SELECT count(*) FROM numbers") == wanted, seconds=10, what="the rows")
    except Timeout:
        fail(expected=f"{wanted} rows on the replica", seen="fewer")


if __name__ == "__main__":
    main(__file__)
