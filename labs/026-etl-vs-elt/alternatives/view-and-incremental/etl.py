"""ETL whose mart is a view over cleaned orders; the newest version is found in pandas, with what the warehouse knows."""

import os
import sys
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

ENGINE = sa.create_engine(os.environ["WAREHOUSE_URL"])
SETUP = """
CREATE SCHEMA IF NOT EXISTS etl;
CREATE TABLE IF NOT EXISTS etl.sales (order_id text, customer_id text, day date, amount numeric, status text, updated_at text);
CREATE TABLE IF NOT EXISTS etl.people (customer_id text, country text);
CREATE OR REPLACE VIEW etl.daily_revenue AS
SELECT day, coalesce(country, 'unknown') AS country, count(*) AS orders, sum(amount) AS revenue
FROM etl.sales LEFT JOIN etl.people USING (customer_id) WHERE status = 'completed' AND amount IS NOT NULL GROUP BY 1, 2;
"""


def read(name):
    return pd.read_csv(Path(sys.argv[1]) / f"{name}.csv", dtype="string", na_filter=False)


orders = read("orders")
orders["day"] = (
    pd.to_datetime(orders.pop("ordered_at"), utc=True, format="ISO8601").dt.tz_convert("Europe/Berlin").dt.strftime("%Y-%m-%d")
)
orders.loc[~orders["amount"].str.match(r"^-?\d"), "amount"] = pd.NA
people = read("customers")[["customer_id", "country"]].query("customer_id != ''")

with ENGINE.begin() as connection:
    connection.execute(sa.text(SETUP))
    known = pd.read_sql("SELECT order_id, customer_id, day::text, amount::text, status, updated_at FROM etl.sales", connection)
    known = pd.concat([known, orders]).sort_values("updated_at").groupby("order_id").tail(1).astype(object)
    met = pd.concat([pd.read_sql("SELECT * FROM etl.people", connection), people]).drop_duplicates("customer_id", keep="last")
    connection.execute(sa.text("TRUNCATE etl.sales, etl.people"))
    write = sa.text("INSERT INTO etl.sales VALUES (:order_id, :customer_id, :day, cast(:amount AS numeric), :status, :updated_at)")
    connection.execute(write, known.where(known.notna(), None).to_dict("records"))
    connection.execute(sa.text("INSERT INTO etl.people VALUES (:customer_id, :country)"), met.to_dict("records"))
