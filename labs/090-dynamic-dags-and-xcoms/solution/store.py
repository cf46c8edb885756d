"""The landing zone, as one would use an object store. This file is not yours to change: the verification brings its own copy."""

from decimal import Decimal, InvalidOperation

from airflow.providers.postgres.hooks.postgres import PostgresHook


def connection():
    """A psycopg connection to the warehouse; `with` makes a transaction of what is inside."""
    return PostgresHook("warehouse").get_conn()


def listing(day):
    """The files that have been delivered for a day by now: [{"name": …, "delimiter": …}, …]."""
    with connection() as session, session.cursor() as cursor:
        cursor.execute("SELECT name, delimiter FROM landing.listing(%s::date)", [day])
        return [{"name": name, "delimiter": delimiter} for name, delimiter in cursor.fetchall()]


def read(name, delimiter):
    """A file's rows, [(order_id, amount), …], and how many lines were rejected. Raises ValueError if it is no delivery."""
    with connection() as session, session.cursor() as cursor:
        cursor.execute("SELECT content FROM landing.files WHERE name = %s", [name])
        found = cursor.fetchone()
    if found is None:
        raise FileNotFoundError(f"there is no file {name} in the landing zone")
    head, *lines = found[0].splitlines()
    if head != f"order_id{delimiter}amount":
        raise ValueError(f"{name} is no delivery with the delimiter {delimiter}: it begins with {head!r}")
    rows = [row for row in (parsed(*line.split(delimiter)) for line in lines) if row]
    return rows, len(lines) - len(rows)


def parsed(order_id, amount):
    """A line's values, or None if the amount is none."""
    try:
        return int(order_id), Decimal(amount)
    except InvalidOperation:
        return None
