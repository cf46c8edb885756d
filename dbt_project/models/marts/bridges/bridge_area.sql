select
    area_id,
    ancestor_area_id,
    ancestor_level,
    ancestor_name,
    steps_up
from {{ ref('int_area_ancestors') }}
