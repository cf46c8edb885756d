select customer_id, email, country, segment, registered_at from {{ source('raw', 'customers') }}
