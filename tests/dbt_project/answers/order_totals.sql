SELECT order_id, lines, CAST(amount AS numeric(14, 2)) FROM retail_marts.fct_orders
