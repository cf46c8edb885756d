select
    customer_id,
    customer_name,
    email,
    birth_date,
    country_code,
    city,
    postal_code,
    segment,
    registered_at,
    updated_at
from {{ ref('stg_customers') }}
