-- A secondary B-tree whose order is the query's: the ten newest are the ten last entries of the customer.
CREATE INDEX IF NOT EXISTS orders_by_customer ON orders (customer_id, ordered_at);

-- Covering: the sums come from the index alone, which the visibility map allows.
CREATE INDEX IF NOT EXISTS lines_by_product ON order_lines (product_id) INCLUDE (quantity, amount);

-- Partial: one order in a hundred is open, and only those are looked for.
CREATE INDEX IF NOT EXISTS open_orders_by_store ON orders (store_id) WHERE status = 'open';

-- Expression: what is searched is not the column but its lower case.
CREATE INDEX IF NOT EXISTS customers_by_email ON customers (lower(email));

-- GIN: an entry for each element of the arrays.
CREATE INDEX IF NOT EXISTS orders_by_tag ON orders USING gin (tags);

-- BRIN: the log is written in the order of time, so a range of pages is a range of time.
CREATE INDEX IF NOT EXISTS views_by_time ON page_views USING brin (viewed_at) WITH (pages_per_range = 16);

-- Room for the updates of touched_at.
ALTER TABLE orders SET (fillfactor = 70);
