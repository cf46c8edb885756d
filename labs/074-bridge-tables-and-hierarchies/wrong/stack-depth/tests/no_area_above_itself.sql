-- The path of an area in a cycle has no end: that is an error.
select area_id
from {{ ref('stg_areas') }}
where {{ target.schema }}.path_of(area_id) is null
