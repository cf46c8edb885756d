SELECT areas.ancestor_area_id, count(DISTINCT lines.order_id), count(lines.order_line_id),
       CAST(coalesce(sum(lines.quantity), 0) AS bigint)
FROM retail_marts.bridge_area AS areas
LEFT JOIN retail_marts.dim_store AS stores ON stores.area_id = areas.area_id
LEFT JOIN retail_marts.fct_order_lines AS lines ON lines.store_key = stores.store_key AND lines.is_completed
GROUP BY areas.ancestor_area_id
