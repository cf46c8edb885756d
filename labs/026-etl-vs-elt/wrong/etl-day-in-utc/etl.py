"""ETL: a delivery is cleaned with pandas, merged into what is known, and the mart is made of it."""

import os
import sys
from decimal import Decimal
from pathlib import Path

import pandas as pd
import psycopg2
from psycopg2.extras import execute_values

TABLES = """
CREATE SCHEMA IF NOT EXISTS etl;
CREATE TABLE IF NOT EXISTS etl.orders (
  order_id text PRIMARY KEY, customer_id text, day date NOT NULL, amount numeric(20, 2), status text, updated_at timestamptz
);
CREATE TABLE IF NOT EXISTS etl.customers (customer_id text PRIMARY KEY, country text NOT NULL);
CREATE TABLE IF NOT EXISTS etl.daily_revenue (
  day date, country text, orders bigint NOT NULL, revenue numeric(20, 2) NOT NULL, PRIMARY KEY (day, country)
);
"""
ORDERS = """
INSERT INTO etl.orders AS known VALUES %s ON CONFLICT (order_id) DO UPDATE
SET customer_id = excluded.customer_id, day = excluded.day, amount = excluded.amount, status = excluded.status,
    updated_at = excluded.updated_at
WHERE excluded.updated_at > known.updated_at
"""
CUSTOMERS = "INSERT INTO etl.customers VALUES %s ON CONFLICT (customer_id) DO UPDATE SET country = excluded.country"
COUNTED = "SELECT customer_id, day, amount FROM etl.orders WHERE status = 'completed' AND amount IS NOT NULL"


def extract(file):
    """A file as text: no number is guessed, and NA is a country."""
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def clean_orders(orders):
    """The newest version of each order in this delivery, with the shop's day and exact amounts."""
    orders = orders.sort_values("updated_at").drop_duplicates("order_id", keep="last")
    usable = orders["amount"].str.fullmatch(r"-?\d+(\.\d+)?")
    when = pd.to_datetime(orders["ordered_at"], utc=True, format="ISO8601")
    return orders.assign(
        day=when.dt.tz_convert("UTC").dt.date,
        amount=[Decimal(text) if good else None for text, good in zip(orders["amount"], usable, strict=True)],
        customer_id=orders["customer_id"].replace("", None),
    )[["order_id", "customer_id", "day", "amount", "status", "updated_at"]]


def clean_customers(customers):
    """Customers with a number, once."""
    return customers[customers["customer_id"] != ""].drop_duplicates("customer_id", keep="last")[["customer_id", "country"]]


def frame(cursor, query, columns):
    """The rows of a query."""
    cursor.execute(query)
    return pd.DataFrame(cursor.fetchall(), columns=columns, dtype=object)


def summed(orders, customers):
    """The mart: a left join keeps orders whose customer is not known."""
    joined = orders.merge(customers, on="customer_id", how="left")
    joined["country"] = joined["country"].fillna("unknown")
    return joined.groupby(["day", "country"]).agg(orders=("amount", "size"), revenue=("amount", "sum")).reset_index()


def main(folder):
    """All of it in one transaction."""
    orders, customers = clean_orders(extract(folder / "orders.csv")), clean_customers(extract(folder / "customers.csv"))
    with psycopg2.connect(os.environ["WAREHOUSE_DSN"]) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        execute_values(cursor, ORDERS, list(orders.itertuples(index=False, name=None)))
        execute_values(cursor, CUSTOMERS, list(customers.itertuples(index=False, name=None)))
        counted = frame(cursor, COUNTED, ["customer_id", "day", "amount"])
        mart = summed(counted, frame(cursor, "SELECT customer_id, country FROM etl.customers", ["customer_id", "country"]))
        cursor.execute("DELETE FROM etl.daily_revenue")
        execute_values(cursor, "INSERT INTO etl.daily_revenue VALUES %s", list(mart.itertuples(index=False, name=None)))


main(Path(sys.argv[1]))
