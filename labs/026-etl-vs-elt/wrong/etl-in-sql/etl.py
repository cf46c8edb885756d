"""ETL by the server: the files are copied into temporary tables, and SQL does the rest."""

import os
import sys
from pathlib import Path

import psycopg2

TABLES = """
CREATE SCHEMA IF NOT EXISTS etl;
CREATE TABLE IF NOT EXISTS etl.orders (
  order_id text PRIMARY KEY, customer_id text, day date, amount numeric, status text, updated_at timestamptz
);
CREATE TABLE IF NOT EXISTS etl.customers (customer_id text PRIMARY KEY, country text);
CREATE TEMP TABLE lines (order_id text, customer_id text, ordered_at text, amount text, status text, updated_at text);
CREATE TEMP TABLE people (customer_id text, name text, country text);
CREATE OR REPLACE VIEW etl.daily_revenue AS
SELECT day, coalesce(country, 'unknown') AS country, count(*) AS orders, sum(amount) AS revenue
FROM etl.orders LEFT JOIN etl.customers USING (customer_id) WHERE status = 'completed' AND amount IS NOT NULL GROUP BY 1, 2;
"""
TRANSFORM = """
INSERT INTO etl.orders AS known
SELECT DISTINCT ON (order_id) order_id, customer_id, (ordered_at::timestamptz AT TIME ZONE 'Europe/Berlin')::date,
  CASE WHEN amount ~ '^-?[0-9]+([.][0-9]+)?$' THEN amount::numeric END, status, updated_at::timestamptz
FROM lines ORDER BY order_id, updated_at::timestamptz DESC
ON CONFLICT (order_id) DO UPDATE
SET customer_id = excluded.customer_id, day = excluded.day, amount = excluded.amount, status = excluded.status,
    updated_at = excluded.updated_at
WHERE excluded.updated_at > known.updated_at;
INSERT INTO etl.customers SELECT DISTINCT customer_id, country FROM people WHERE customer_id IS NOT NULL ON CONFLICT DO NOTHING;
"""

folder = Path(sys.argv[1])
with psycopg2.connect(os.environ["WAREHOUSE_DSN"]) as connection, connection.cursor() as cursor:
    cursor.execute(TABLES)
    for table, file in (("lines", "orders"), ("people", "customers")):
        with (folder / f"{file}.csv").open(encoding="utf-8") as stream:
            cursor.copy_expert(f"COPY {table} FROM STDIN (FORMAT csv, HEADER)", stream)
    cursor.execute(TRANSFORM)
