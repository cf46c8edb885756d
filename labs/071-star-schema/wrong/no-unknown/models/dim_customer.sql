select distinct
    {{ surrogate_key('customer', ['system', 'customer_id']) }} as customer_key,
    system,
    customer_id,
    name as customer_name,
    segment,
    country,
    city
from {{ source('raw', 'customers') }}
