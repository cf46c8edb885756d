SELECT order_line_id FROM retail_marts.fct_order_lines
WHERE '00000000000000000000000000000000' IN (customer_key, product_key, store_key, promotion_key)
    OR order_date_key = -1 OR local_order_date_key = -1 OR amount_euro IS NULL
UNION ALL SELECT payment_id FROM retail_marts.fct_payments
WHERE '00000000000000000000000000000000' IN (customer_key, store_key) OR payment_date_key = -1 OR amount_euro IS NULL
UNION ALL SELECT order_line_id FROM retail_marts.fct_returns
WHERE '00000000000000000000000000000000' IN (customer_key, product_key, store_key) OR return_date_key = -1
    OR refund_euro IS NULL
