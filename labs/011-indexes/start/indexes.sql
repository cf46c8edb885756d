-- The indexes that the queries of workload.sql need. One statement an index, safe to run again.
CREATE INDEX IF NOT EXISTS orders_by_customer ON orders (customer_id);
