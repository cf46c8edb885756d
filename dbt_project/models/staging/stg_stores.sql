with source as (

    select * from {{ source('retail', 'stores') }}

),

deduplicated as (

    {{ deduplicate('source', 'store_id', 'store_id') }}

)

select
    cast(store_id as bigint) as store_id,
    {{ trimmed('name') }} as store_name,
    cast(area_id as bigint) as area_id,
    {{ trimmed('channel') }} as channel,
    {{ trimmed('country') }} as country_code,
    {{ trimmed('currency') }} as currency,
    {{ trimmed('time_zone') }} as time_zone,
    cast(opened_on as date) as opened_on,
    cast(floor_m2 as integer) as floor_m2
from deduplicated
