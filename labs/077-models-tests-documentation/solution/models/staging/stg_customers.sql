select customer_id, country, segment from {{ source('shop', 'customers') }}
