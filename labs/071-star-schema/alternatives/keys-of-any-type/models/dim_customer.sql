select distinct
    cast(md5(system || '/' || customer_id) as char(40)) as customer_key,
    system,
    customer_id,
    name as customer_name,
    segment,
    country,
    city
from {{ source('raw', 'customers') }}

union all

select 'unknown', 'unknown', null, 'unknown', 'unknown', 'unknown', 'unknown'
