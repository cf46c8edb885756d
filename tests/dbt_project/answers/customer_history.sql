SELECT customer_id, version, city, postal_code, segment, valid_from, valid_to, is_current
FROM retail_marts.dim_customer WHERE customer_id IS NOT NULL
