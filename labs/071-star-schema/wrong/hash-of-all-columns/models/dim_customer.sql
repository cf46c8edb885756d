select distinct
    {{ surrogate_key('customer', ['system', 'customer_id', 'name', 'segment', 'country', 'city']) }} as customer_key,
    system,
    customer_id,
    name as customer_name,
    segment,
    country,
    city
from {{ source('raw', 'customers') }}

union all

select {{ unknown_key() }}, 'unknown', null, 'unknown', 'unknown', 'unknown', 'unknown'
