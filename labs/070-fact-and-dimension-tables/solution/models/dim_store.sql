select
    md5(cast(store_id as text)) as store_key,
    store_id,
    name as store_name,
    channel,
    country,
    city
from {{ source('raw', 'stores') }}
