"""Compute the table `daily` from `sales`, in one transaction, then end."""

from shop import connect

with connect() as session, session.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS daily (day date, product text, quantity bigint, revenue numeric(14, 2))")
    cursor.execute("SELECT count(*) FROM daily")
    if cursor.fetchone()[0]:
        raise SystemExit(0)
    cursor.execute("INSERT INTO daily SELECT day, product, sum(quantity), sum(quantity * price) FROM sales GROUP BY day, product")
