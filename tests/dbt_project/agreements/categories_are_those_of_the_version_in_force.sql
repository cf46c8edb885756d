SELECT * FROM
    (SELECT log.category, sum(lines.quantity) AS quantity
     FROM public.order_lines AS lines JOIN public.orders AS orders ON orders.order_id = lines.order_id
     JOIN public.product_changes AS log ON log.product_id = lines.product_id AND log.changed_at <= orders.ordered_at
     WHERE orders.status = 'completed' AND NOT EXISTS (
        SELECT 1 FROM public.product_changes AS later
        WHERE later.product_id = log.product_id AND later.changed_at <= orders.ordered_at AND later.version > log.version)
     GROUP BY log.category) AS expected
FULL JOIN
    (SELECT category, sum(quantity) AS quantity FROM retail_marts.category_sales GROUP BY category) AS seen
    ON seen.category = expected.category
WHERE seen.quantity IS DISTINCT FROM expected.quantity
