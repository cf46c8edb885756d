"""The shop's orders (retail data) in a schema of their own, and the warehouse's tables, empty."""

from delab.data.sinks.postgres import load
from delab.services.postgres import connect, dsn

SCALE = 10  # 10,000 orders, about fourteen a day
TABLES = """
CREATE SCHEMA raw; CREATE SCHEMA stage; CREATE SCHEMA published;
CREATE TABLE raw.orders (day date, order_id bigint, ordered_at timestamptz, store_id bigint, currency text, status text);
CREATE TABLE raw.order_lines (
  day date, line_id bigint, order_id bigint, product_id bigint, quantity int, amount numeric(14, 2));
CREATE TABLE stage.sales (
  day date, line_id bigint, order_id bigint, store_id bigint, category text, currency text, quantity int, amount numeric(14, 2));
CREATE TABLE stage.by_category (
  day date, category text, currency text, orders bigint, quantity bigint, amount numeric(14, 2));
CREATE TABLE stage.by_store (day date, store_id bigint, currency text, orders bigint, quantity bigint, amount numeric(14, 2));
CREATE TABLE published.by_category (LIKE stage.by_category);
CREATE TABLE published.by_store (LIKE stage.by_store);
CREATE TABLE products AS SELECT product_id, name, department, category FROM shop.products;
"""


def prepare(stack, seed):
    """Load the shop and make the tables that the pipeline fills."""
    at = stack["warehouse"].endpoint
    with connect(at) as session, session.cursor() as cursor:
        cursor.execute("CREATE SCHEMA shop")
    load(dsn(at), "retail", scale=SCALE, seed=seed, tables=("products", "orders", "order_lines"), schema="shop", references=False)
    with connect(at) as session, session.cursor() as cursor:
        cursor.execute("CREATE INDEX ON shop.orders (ordered_at); CREATE INDEX ON shop.order_lines (order_id)")
        cursor.execute(TABLES)
