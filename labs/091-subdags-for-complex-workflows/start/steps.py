"""What the tasks do. This file is not yours to change: the verification brings its own, with other sources."""

from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk.exceptions import AirflowFailException

SOURCES = ("shop", "market", "till")
OWNERS = {"shop": "web", "market": "partners", "till": "branches"}


def run(*statements, **values):
    """Statements in one transaction on the warehouse; the last one's row."""
    with PostgresHook("warehouse").get_conn() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, values)
        return cursor.fetchone() if cursor.description else None


def stop_if(found, what):
    """Fail at once: trying again does not make data better."""
    if found:
        raise AirflowFailException(what)


def open_day(day):
    """Note that the day is being worked on."""
    run("INSERT INTO days VALUES (%(day)s::date) ON CONFLICT DO NOTHING", day=day)


def extract(source, day):
    """Copy a channel's lines of the day into the stage."""
    run(
        "DELETE FROM stage.lines WHERE source = %(source)s AND day = %(day)s::date",
        "INSERT INTO stage.lines SELECT * FROM source_lines WHERE source = %(source)s AND day = %(day)s::date",
        source=source,
        day=day,
    )


def check_amounts(source, day):
    """Fail if a line has no amount."""
    question = "SELECT count(*) FROM stage.lines WHERE source = %(source)s AND day = %(day)s::date AND amount IS NULL"
    stop_if(run(question, source=source, day=day)[0], f"{source} has lines without an amount on {day}")


def check_lines(source, day):
    """Fail if a line is there twice."""
    question = "SELECT count(line) - count(DISTINCT line) FROM stage.lines WHERE source = %(source)s AND day = %(day)s::date"
    stop_if(run(question, source=source, day=day)[0], f"{source} has a line twice on {day}")


def load(source, day):
    """Write a channel's sum."""
    run(
        "DELETE FROM channel_sales WHERE source = %(source)s AND day = %(day)s::date",
        "INSERT INTO channel_sales SELECT %(day)s::date, %(source)s, coalesce(sum(amount), 0) FROM stage.lines"
        " WHERE source = %(source)s AND day = %(day)s::date",
        source=source,
        day=day,
    )


def publish(day):
    """Write the day's sum over all channels."""
    run(
        "DELETE FROM published WHERE day = %(day)s::date",
        "INSERT INTO published SELECT %(day)s::date, count(*), coalesce(sum(amount), 0) FROM channel_sales"
        " WHERE day = %(day)s::date",
        day=day,
    )


def report(day):
    """Write the report of a published day; fail if it is not published."""
    stop_if(run("SELECT count(*) FROM published WHERE day = %(day)s::date", day=day)[0] == 0, f"{day} is not published")
    run(
        "DELETE FROM reports WHERE day = %(day)s::date",
        "INSERT INTO reports (day, amount) SELECT day, amount FROM published WHERE day = %(day)s::date",
        day=day,
    )
