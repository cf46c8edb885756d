"""ETL that keeps every version it has cleaned, and makes the mart anew from the newest ones."""

import os
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pandas as pd
import psycopg2


def amount(text):
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def rows(frame):
    return [tuple(row) for row in frame.itertuples(index=False)]


folder = Path(sys.argv[1])
orders = pd.read_csv(folder / "orders.csv", converters=dict.fromkeys(range(6), str)).drop_duplicates()
customers = pd.read_csv(folder / "customers.csv", converters=dict.fromkeys(range(3), str))
orders["day"] = [pd.Timestamp(text).tz_convert("Europe/Berlin").date() for text in orders["ordered_at"]]
orders["amount"] = orders["amount"].map(amount)

with psycopg2.connect(os.environ["WAREHOUSE_DSN"]) as connection, connection.cursor() as cursor:
    cursor.execute("CREATE SCHEMA IF NOT EXISTS etl")
    columns = "order_id text, customer_id text, day date, amount numeric, status text, updated_at text"
    cursor.execute(f"CREATE TABLE IF NOT EXISTS etl.versions ({columns}, UNIQUE (order_id, updated_at))")
    cursor.execute("CREATE TABLE IF NOT EXISTS etl.countries (customer_id text PRIMARY KEY, country text)")
    cursor.execute("CREATE TABLE IF NOT EXISTS etl.daily_revenue (day date, country text, orders int, revenue numeric)")
    wanted = orders[["order_id", "customer_id", "day", "amount", "status", "updated_at"]].astype(object)
    wanted = wanted.where(wanted.notna(), None)
    cursor.executemany("INSERT INTO etl.versions VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING", rows(wanted))
    named = customers.loc[customers["customer_id"] != "", ["customer_id", "country"]]
    cursor.executemany("INSERT INTO etl.countries VALUES (%s, %s) ON CONFLICT DO NOTHING", rows(named))
    cursor.execute("SELECT order_id, customer_id, day, amount, status FROM etl.versions ORDER BY updated_at")
    known = pd.DataFrame(cursor.fetchall(), columns=["order_id", "customer_id", "day", "amount", "status"])
    cursor.execute("SELECT customer_id, country FROM etl.countries")
    country = dict(cursor.fetchall())
    newest = known.groupby("order_id", as_index=False, dropna=False).nth(-1)
    sold = newest[(newest["status"] == "completed") & newest["amount"].notna()].copy()
    sold["country"] = [country.get(customer, "unknown") for customer in sold["customer_id"]]
    cursor.execute("TRUNCATE etl.daily_revenue")
    for (day, name), amounts in sold.groupby(["day", "country"])["amount"]:
        cursor.execute("INSERT INTO etl.daily_revenue VALUES (%s, %s, %s, %s)", [day, name, len(amounts), sum(amounts)])
