-- What the shop asks all day. The numbers are examples: each call has others.
-- name: customer_orders
SELECT order_id, ordered_at, status FROM orders WHERE customer_id = 13 ORDER BY ordered_at DESC LIMIT 10;
-- name: product_sales
SELECT sum(quantity), sum(amount) FROM order_lines WHERE product_id = 20;
-- name: open_orders
SELECT order_id, ordered_at FROM orders WHERE store_id = 17 AND status = 'open';
-- name: find_by_email
SELECT customer_id, name FROM customers WHERE lower(email) = lower('Mary.2@example.org');
-- name: tagged_orders
SELECT order_id FROM orders WHERE tags @> ARRAY['campaign:37', 'gift:5'];
-- name: views_of_a_day
SELECT count(*), sum(milliseconds) FROM page_views WHERE viewed_at >= '2025-02-03' AND viewed_at < '2025-02-04';
