"""What the tasks do. This file is not yours to change: the verification brings its own copy."""

from airflow.providers.postgres.hooks.postgres import PostgresHook


def run(*statements, **values):
    """Statements in one transaction on the warehouse."""
    with PostgresHook("warehouse").get_conn() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, values)
        return cursor.fetchone() if cursor.description else None


def prepare_stage():
    """Make the tables that a run works in."""
    run("CREATE TABLE stage.orders (amount numeric(10, 2))")
    run("CREATE TABLE stage.payments (amount numeric(10, 2))")


def load_orders(day):
    """Fetch the day's orders from the shop."""
    run("INSERT INTO stage.orders SELECT amount FROM orders WHERE day = %(day)s::date", day=day)


def load_payments(day):
    """Fetch the day's payments from the payment provider."""
    run("INSERT INTO stage.payments SELECT amount FROM payments WHERE day = %(day)s::date", day=day)


def agrees():
    """Whether as much was paid as was ordered."""
    question = "SELECT (SELECT sum(amount) FROM stage.orders) = (SELECT coalesce(sum(amount), 0) FROM stage.payments)"
    return bool(run(question)[0])


def publish(day):
    """Settle the day."""
    run(
        "DELETE FROM settlements WHERE day = %(day)s::date",
        "INSERT INTO settlements SELECT %(day)s::date, count(*), sum(amount) FROM stage.orders",
        day=day,
    )


def quarantine(day):
    """Put the day aside for accounting."""
    run(
        "DELETE FROM discrepancies WHERE day = %(day)s::date",
        "INSERT INTO discrepancies SELECT %(day)s::date, (SELECT sum(amount) FROM stage.orders), "
        "(SELECT coalesce(sum(amount), 0) FROM stage.payments)",
        day=day,
    )


def say(day, text):
    """Leave a message for the team."""
    run("INSERT INTO messages VALUES (%(day)s::date, %(text)s) ON CONFLICT DO NOTHING", day=day, text=text)


def clean_up():
    """Remove the tables that the run worked in."""
    run("DROP TABLE IF EXISTS stage.orders, stage.payments")
