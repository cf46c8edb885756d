"""What each table should have of a day, in the verification's own words; and what it plants in the shop and in the tables."""

TASKS = ("extract", "stage", "transform", "check", "publish")
FILLS = {
    "extract": ("raw.orders", "raw.order_lines"),
    "stage": ("stage.sales",),
    "transform": ("stage.by_category", "stage.by_store"),
    "check": (),
    "publish": ("published.by_category", "published.by_store"),
}
TABLES = tuple(table for tables in FILLS.values() for table in tables)
SUMMED, PUBLISHED = FILLS["transform"], FILLS["publish"]

# The truth. `%(day)s` is filled by `of`.
OF_DAY = "(ordered_at AT TIME ZONE 'UTC')::date = %(day)s"
SOURCE = f"FROM shop.orders JOIN shop.order_lines USING (order_id) LEFT JOIN products USING (product_id) WHERE {OF_DAY}"
COMPLETED = f"{SOURCE} AND status = 'completed'"
SALE = "line_id, order_id, store_id, category, currency, quantity, amount"
SALES = f"SELECT %(day)s::date AS day, {SALE} {COMPLETED}"
FROM_RAW = f"""
SELECT day, {SALE} FROM raw.order_lines JOIN raw.orders USING (day, order_id) LEFT JOIN products USING (product_id)
WHERE day = %(day)s AND status = 'completed'
"""
STAGED = "SELECT * FROM stage.sales WHERE day = %(day)s"
SUMS = "count(DISTINCT order_id) AS orders, sum(quantity) AS quantity, sum(amount) AS amount"
TRUTH = {
    "raw.orders": f"SELECT %(day)s::date AS day, order_id, ordered_at, store_id, currency, status FROM shop.orders WHERE {OF_DAY}",
    "raw.order_lines": f"SELECT %(day)s::date AS day, line_id, order_id, product_id, quantity, amount {SOURCE}",
    "stage.sales": "{}",
    "by_category": f"SELECT day, category, currency, {SUMS} FROM ({{}}) AS s GROUP BY 1, 2, 3",
    "by_store": f"SELECT day, store_id, currency, {SUMS} FROM ({{}}) AS s GROUP BY 1, 2, 3",
}
ENOUGH = """
SELECT (ordered_at AT TIME ZONE 'UTC')::date FROM shop.orders GROUP BY 1
HAVING count(*) FILTER (WHERE status = 'completed') > 3 ORDER BY 1
"""

# What happens in the shop.
UNKNOWN = 99999999
CANCEL = f"UPDATE shop.orders SET status = 'cancelled' WHERE order_id = (SELECT min(order_id) {COMPLETED})"
NO_ORDERS = f"UPDATE shop.orders SET ordered_at = ordered_at + interval '20 years' WHERE {OF_DAY}"
LINE = f"(SELECT max(line_id) {COMPLETED})"
NO_PRODUCT = f"UPDATE shop.order_lines SET product_id = {UNKNOWN} WHERE line_id = {LINE}"
NO_PIECES = f"UPDATE shop.order_lines SET quantity = 0 WHERE line_id = {LINE}"


def order(number, after, status, *lines):
    """An order so long after the day's beginning, as statements; its lines are (product or None for any, quantity)."""
    copied = "recorded_at, customer_id, store_id, promotion_id, currency"
    at = f"(%(day)s::timestamp + interval '{after}') AT TIME ZONE 'UTC'"
    yield f"INSERT INTO shop.orders SELECT {number}, {at}, {copied}, '{status}' FROM shop.orders WHERE {OF_DAY} LIMIT 1"
    for place, (product, quantity) in enumerate(lines):
        line = f"{number * 10 + place}, {number}, {place}, {product or 'product_id'}, {quantity}, 1.10, 0, {quantity * 1.10:.2f}"
        yield f"INSERT INTO shop.order_lines SELECT {line} {COMPLETED} LIMIT 1"


# Before the first run: a day's first moment and the next one's, and orders that are no sales, one of them without a line.
EDGES = (
    *order(90000001, "0 s", "completed", (None, 1)),
    *order(90000002, "1 day", "completed", (None, 1)),
    *order(90000003, "12 hours", "cancelled", (UNKNOWN, 0), (None, 2)),
    *order(90000004, "13 hours", "cancelled"),
)
# Before the second one.
LATER = (CANCEL, *order(90000005, "23:59:59.999999", "completed", (None, 3)))

# What is changed in a table when the tasks that fill it are done: the next one must not look behind it.
OTHER_RAW = f"UPDATE raw.order_lines SET quantity = 0, product_id = {UNKNOWN} WHERE day = %(day)s"
OTHER_SUMS = tuple(f"UPDATE {table} SET orders = orders + 1 WHERE day = %(day)s" for table in SUMMED)
BAD_RAW = f"""
UPDATE raw.order_lines SET quantity = 0, product_id = {UNKNOWN}
WHERE day = %(day)s AND line_id = (SELECT max(line_id) FROM ({FROM_RAW}) AS s)
"""
NO_SALES = "DELETE FROM stage.sales WHERE day = %(day)s"
LAST_SALE = "day = %(day)s AND line_id = (SELECT max(line_id) FROM stage.sales WHERE day = %(day)s)"
NO_CATEGORY = f"UPDATE stage.sales SET category = NULL WHERE {LAST_SALE}"
ZERO, NEGATIVE = (f"UPDATE stage.sales SET quantity = {quantity} WHERE {LAST_SALE}" for quantity in (0, -2))

# Who inserts first into one of these tables loses the connection; until the next attempt, what the task reads has changed.
LOST = {
    "raw.orders": (CANCEL,),
    "raw.order_lines": (CANCEL,),
    "stage.sales": ("UPDATE raw.order_lines SET amount = amount + 1 WHERE day = %(day)s",),
    "stage.by_store": ("UPDATE stage.sales SET quantity = quantity + 1 WHERE day = %(day)s",),
    "published.by_store": OTHER_SUMS,
}
# Then these columns are still those of the table before.
KEPT = {
    "raw.orders": "*",
    "raw.order_lines": "day, line_id, order_id, product_id, quantity",
    "stage.sales": "day, line_id, order_id, store_id, category, currency, amount",
    "stage.by_category": "day, category, currency, quantity, amount",
    "stage.by_store": "day, store_id, currency, quantity, amount",
    "published.by_category": "*",
    "published.by_store": "*",
}

# Of the two published tables, the one that is written second takes no rows. A sequence remembers what is rolled back.
REFUSE = """
CREATE SEQUENCE category; CREATE SEQUENCE store;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
PERFORM nextval(TG_ARGV[0]);
IF pg_sequence_last_value(TG_ARGV[1]) IS NOT NULL THEN RAISE EXCEPTION 'the disk is full'; END IF;
RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON published.by_category FOR EACH ROW EXECUTE FUNCTION refuse('category', 'store');
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON published.by_store FOR EACH ROW EXECUTE FUNCTION refuse('store', 'category');
"""


def of(day, statement):
    """A statement for a day."""
    return statement.replace("%(day)s", f"date '{day}'")


def truth(table, sales=SALES):
    """What a table should have, made from these sales."""
    return TRUTH[table if table in TRUTH else table.split(".")[1]].format(sales)


# Runs that are begun somewhere: at which task, how many tasks' tables are filled before, and what happens then.
OLD = tuple(f"INSERT INTO {table} (day, currency) VALUES (%(day)s, 'old')" for table in PUBLISHED)
# Days that must not be published, by what is wrong with them.
BAD = {
    "no sale at all": ("extract", 3, (*OLD, NO_ORDERS)),
    "no sale in stage.sales, though there are some in raw": ("check", 3, (*OLD, NO_SALES)),
    "a product that is not known": ("check", 3, (*OLD, NO_CATEGORY)),
    "a quantity below one (0)": ("check", 3, (*OLD, ZERO)),
    "a quantity below one (-2)": ("transform", 2, (*OLD, NEGATIVE, OTHER_RAW, CANCEL)),
}
# A good day, as few and as small as its sales may be.
SUM_UP = tuple(f"INSERT INTO {table} {truth(table, STAGED)}" for table in SUMMED)
ONE_SALE = (OTHER_RAW, "INSERT INTO stage.sales SELECT %(day)s, 1, 1, 1, 'Toys', 'EUR', 1, 0", *SUM_UP, CANCEL)
# Other tasks; bad rows are theirs to hand on.
ALONE = {
    "extract": (0, (NO_PRODUCT, NO_PIECES)),
    "stage": (1, (BAD_RAW, CANCEL)),
    "publish": (3, (OTHER_RAW, *OTHER_SUMS, CANCEL)),
}
PUBLISH = tuple(
    f"INSERT INTO {table} SELECT * FROM {table.replace('published', 'stage')} WHERE day = %(day)s" for table in PUBLISHED
)
