SELECT customer_id, city, previous_city, segment, previous_segment FROM retail_marts.dim_customer_previous
