select
    {{ surrogate_key(['stores.store_id']) }} as store_key,
    stores.store_id,
    {{ surrogate_key(['stores.area_id']) }} as city_key,
    stores.area_id,
    stores.store_name,
    stores.channel,
    stores.currency,
    stores.time_zone,
    stores.opened_on,
    stores.floor_m2
from {{ ref('stg_stores') }} as stores

union all

select
    {{ unknown_key() }}, cast(null as bigint), {{ unknown_key() }}, cast(null as bigint), 'unknown', 'unknown', 'XXX', 'UTC', cast(null as date),
    cast(null as integer)
