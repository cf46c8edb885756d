SELECT lines.product_id, count(*), CAST(sum(lines.quantity) AS bigint), CAST(coalesce(sum(back.quantity), 0) AS bigint)
FROM retail_marts.fct_order_lines AS lines
LEFT JOIN retail_marts.fct_returns AS back USING (order_line_id)
WHERE lines.is_completed GROUP BY lines.product_id
