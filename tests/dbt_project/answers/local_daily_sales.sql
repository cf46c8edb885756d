SELECT days.date_day, lines.currency, count(DISTINCT lines.order_id), count(*), CAST(sum(lines.quantity) AS bigint), CAST(sum(lines.amount) AS numeric(14, 2))
FROM retail_marts.fct_order_lines AS lines
JOIN retail_marts.dim_store AS stores USING (store_key)
JOIN retail_marts.dim_date AS days ON days.date_key = lines.local_order_date_key
WHERE lines.is_completed GROUP BY days.date_day, lines.currency
