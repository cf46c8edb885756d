select
    {{ surrogate_key(['area_id']) }} as region_key,
    region_name
from {{ ref('int_areas') }}
where area_level = 'region'

union all

select {{ unknown_key() }}, 'unknown'
