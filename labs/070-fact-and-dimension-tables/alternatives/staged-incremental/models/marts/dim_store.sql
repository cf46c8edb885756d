select
    row_number() over (order by store_id) as store_key, store_id, name as store_name, channel, country, city
from {{ source('raw', 'stores') }}
