"""A shop of some size: customers, orders, order lines from the retail data set, and a log of page views."""

from delab.course import LIVE_SEED
from delab.data.sinks.postgres import load
from delab.services.postgres import connect, dsn

LIVE = 150, 750_000  # the learner's own shop: scale (150,000 orders) and page views
CHECKED = 40, 200_000  # a verification's shop: large enough to tell plans apart, small enough to load each time

# Orders lie in the order of their numbers, with some room in each page; about one in a hundred is open.
ORDERS = """
CREATE TABLE orders (
  order_id bigint PRIMARY KEY, customer_id bigint NOT NULL, store_id int NOT NULL, ordered_at timestamptz NOT NULL,
  status text NOT NULL, tags text[] NOT NULL, touched_at timestamptz NOT NULL
) WITH (fillfactor = 85);
INSERT INTO orders
SELECT order_id, customer_id, store_id, ordered_at,
       CASE WHEN h %% 97 = 0 THEN 'open' ELSE status END,
       ARRAY['channel:' || h %% 4, 'campaign:' || h / 7 %% 400, 'gift:' || h / 11 %% 60],
       ordered_at
FROM (SELECT *, abs(hashint8extended(order_id, %(seed)s) %% 1000000007) AS h FROM loaded.orders) AS x ORDER BY order_id;
CREATE TABLE customers AS
SELECT customer_id, name, country, initcap(split_part(name, ' ', 1)) || '.' || customer_id || '@Example.org' AS email
FROM loaded.customers;
ALTER TABLE customers ADD PRIMARY KEY (customer_id);
CREATE TABLE order_lines AS SELECT line_id, order_id, product_id, quantity, amount FROM loaded.order_lines ORDER BY line_id;
ALTER TABLE order_lines ADD PRIMARY KEY (line_id);
CREATE TABLE page_views AS
SELECT n AS view_id, timestamptz '2025-01-01' + n * interval '63 seconds' AS viewed_at,
       (abs(hashint8extended(n, %(seed)s)) %% 500)::int AS product_id,
       (abs(hashint8extended(n, %(seed)s + 1)) %% 900)::int AS milliseconds
FROM generate_series(1, %(views)s) AS n;
DROP SCHEMA loaded CASCADE;
"""


def prepare(stack, seed):
    """Load, then lay the tables as the lab needs them; statistics and visibility are up to date."""
    at = stack["primary"].endpoint
    scale, views = LIVE if seed == LIVE_SEED else CHECKED
    with connect(at, seconds=300) as session, session.cursor() as cursor:
        cursor.execute("CREATE SCHEMA loaded")
        tables = ["customers", "orders", "order_lines"]
        load(dsn(at), "retail", scale=scale, seed=seed, tables=tables, schema="loaded", keys=False, references=False)
        cursor.execute(ORDERS, {"seed": seed, "views": views})
        cursor.execute("VACUUM ANALYZE")
