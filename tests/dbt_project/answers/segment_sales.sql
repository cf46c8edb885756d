WITH names AS (
    SELECT 'consumer' AS segment UNION ALL SELECT 'family' UNION ALL SELECT 'small business' UNION ALL SELECT 'corporate'),
sold AS (
    SELECT was.segment AS was, now.segment AS now, at_first.segment AS at_first
    FROM retail_marts.fct_orders AS orders
    JOIN retail_marts.dim_customer AS was USING (customer_key)
    JOIN retail_marts.dim_customer_current AS now ON now.customer_id = orders.customer_id
    JOIN retail_marts.dim_customer AS at_first ON at_first.customer_id = orders.customer_id AND at_first.version = 1
    WHERE orders.is_completed)
SELECT segment, (SELECT count(*) FROM sold WHERE was = segment), (SELECT count(*) FROM sold WHERE now = segment),
       (SELECT count(*) FROM sold WHERE at_first = segment)
FROM names
