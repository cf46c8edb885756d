SELECT promotions.promotion_id, count(bridge.product_key)
FROM retail_marts.dim_promotion AS promotions
LEFT JOIN retail_marts.bridge_promotion_product AS bridge ON bridge.promotion_key = promotions.promotion_key
WHERE promotions.promotion_id IS NOT NULL
GROUP BY promotions.promotion_id
HAVING count(bridge.product_key) <> (
    SELECT count(*) FROM public.promotions AS p JOIN retail_marts.dim_product AS v
        ON (p.department IS NULL OR p.department = v.department) AND v.product_id IS NOT NULL
    WHERE p.promotion_id = promotions.promotion_id AND CAST(v.valid_from AT TIME ZONE 'UTC' AS date) <= p.ends_on
        AND (v.valid_to IS NULL OR CAST(v.valid_to AT TIME ZONE 'UTC' AS date) >= p.starts_on))
