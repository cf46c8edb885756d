with source as (

    select * from {{ source('retail', 'promotions') }}

),

deduplicated as (

    {{ deduplicate('source', 'promotion_id', 'promotion_id') }}

)

select
    cast(promotion_id as bigint) as promotion_id,
    {{ trimmed('name') }} as promotion_name,
    {{ trimmed('department') }} as department,
    cast(percent as integer) as percent_off,
    cast(starts_on as date) as starts_on,
    cast(ends_on as date) as ends_on
from deduplicated
