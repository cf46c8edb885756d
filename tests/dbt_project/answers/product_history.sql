SELECT product_id, version, department, category, list_price_euro, valid_from, valid_to, is_current
FROM retail_marts.dim_product WHERE product_id IS NOT NULL
