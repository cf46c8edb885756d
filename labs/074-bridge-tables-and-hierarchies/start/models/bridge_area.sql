-- Areas with themselves and with what is directly above. Make it hold every area above, however many there are.
select area_id as ancestor_id, area_id, 0 as depth, parent_id is null as is_top, false as is_bottom
from {{ source('raw', 'areas') }}

union all

select parent_id, area_id, 1, false, false
from {{ source('raw', 'areas') }}
where parent_id is not null
