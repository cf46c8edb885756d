select
    sha256(cast(cast(store_id as text) as bytea)) as store_key,
    store_id,
    name as store_name,
    channel,
    country,
    city
from {{ source('raw', 'stores') }}
