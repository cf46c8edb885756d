SELECT 'orders', '', CAST(count(*) AS double precision) FROM retail_marts.fct_orders
UNION ALL SELECT 'order_lines', '', count(*) FROM retail_marts.fct_order_lines
UNION ALL SELECT 'order_lines', 'quantity', sum(quantity) FROM retail_marts.fct_order_lines
UNION ALL SELECT 'order_lines', 'amount', sum(amount) FROM retail_marts.fct_order_lines
UNION ALL SELECT 'returns', '', count(*) FROM retail_marts.fct_returns
UNION ALL SELECT 'returns', 'refund', sum(refund) FROM retail_marts.fct_returns
UNION ALL SELECT 'payments', '', count(*) FROM retail_marts.fct_payments
UNION ALL SELECT 'payments', 'amount', sum(amount) FROM retail_marts.fct_payments
