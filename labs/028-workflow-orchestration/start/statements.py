"""The transformation. It is right as it is, and not yours to change: the verification brings its own copy.

Each statement adds rows of one day and removes nothing. They want these values: `day` (a date), and the first two also `begin`
and `end` (moments with a time zone; the end is exclusive).
"""

# extract: what the shop has, into raw
ORDERS = """
INSERT INTO raw.orders
SELECT %(day)s::date, order_id, ordered_at, store_id, currency, status FROM shop.orders
WHERE ordered_at >= %(begin)s AND ordered_at < %(end)s
"""
LINES = """
INSERT INTO raw.order_lines
SELECT %(day)s::date, line_id, order_id, product_id, quantity, amount FROM shop.order_lines JOIN shop.orders USING (order_id)
WHERE ordered_at >= %(begin)s AND ordered_at < %(end)s
"""

# stage: raw's completed sales, with the category of the product; none if the product is not known
SALES = """
INSERT INTO stage.sales
SELECT day, line_id, order_id, store_id, category, currency, quantity, amount
FROM raw.order_lines JOIN raw.orders USING (day, order_id) LEFT JOIN public.products USING (product_id)
WHERE day = %(day)s::date AND status = 'completed'
"""

# transform: stage's sales, summed up
BY_CATEGORY = """
INSERT INTO stage.by_category
SELECT day, category, currency, count(DISTINCT order_id), sum(quantity), sum(amount) FROM stage.sales
WHERE day = %(day)s::date GROUP BY day, category, currency
"""
BY_STORE = """
INSERT INTO stage.by_store
SELECT day, store_id, currency, count(DISTINCT order_id), sum(quantity), sum(amount) FROM stage.sales
WHERE day = %(day)s::date GROUP BY day, store_id, currency
"""

# publish: what readers see
PUBLISH_BY_CATEGORY = "INSERT INTO published.by_category SELECT * FROM stage.by_category WHERE day = %(day)s::date"
PUBLISH_BY_STORE = "INSERT INTO published.by_store SELECT * FROM stage.by_store WHERE day = %(day)s::date"
