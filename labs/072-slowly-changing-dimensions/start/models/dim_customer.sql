-- Customers as they are now. Make it type 2 for city and segment, type 1 for the name.
select distinct on (customer_id)
    md5(customer_id::text) as customer_key,
    customer_id,
    name as customer_name,
    city,
    segment,
    changed_at as valid_from,
    cast(null as timestamptz) as valid_to,
    true as is_current
from {{ source('raw', 'customer_changes') }}
order by customer_id, changed_at desc
