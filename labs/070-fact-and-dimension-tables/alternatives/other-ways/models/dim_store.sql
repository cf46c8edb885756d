select store_id as store_key, store_id, name as store_name, channel, country, city
from {{ source('raw', 'stores') }}
union all
select -1, null, 'unknown', 'unknown', 'unknown', 'unknown'
