with source as (

    select * from {{ source('retail', 'areas') }}

),

deduplicated as (

    {{ deduplicate('source', 'area_id', 'area_id') }}

)

select
    cast(area_id as bigint) as area_id,
    cast(parent_id as bigint) as parent_area_id,
    {{ trimmed('level') }} as area_level,
    {{ trimmed('name') }} as area_name
from deduplicated
