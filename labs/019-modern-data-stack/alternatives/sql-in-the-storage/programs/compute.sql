BEGIN;
CREATE TABLE IF NOT EXISTS daily (day date, product text, quantity bigint, revenue numeric(14, 2), PRIMARY KEY (day, product));
INSERT INTO daily
SELECT day, product, sum(quantity), sum(quantity * price) FROM sales GROUP BY day, product
ON CONFLICT (day, product) DO UPDATE SET quantity = excluded.quantity, revenue = excluded.revenue;
COMMIT;
