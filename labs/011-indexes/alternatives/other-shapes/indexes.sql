create index concurrently if not exists "ordersByCustomer" on public.orders using btree (customer_id, ordered_at desc, order_id, status);
create index if not exists b on order_lines (product_id, amount, quantity);
create index if not exists c on orders (store_id) include (order_id) where status = 'open';
create index if not exists "Customers by e-mail" on customers using hash (lower(email));
create index if not exists e on orders using gin (tags) with (fastupdate = off);
create index if not exists f on page_views using brin (viewed_at timestamptz_minmax_multi_ops) with (pages_per_range = 32);
