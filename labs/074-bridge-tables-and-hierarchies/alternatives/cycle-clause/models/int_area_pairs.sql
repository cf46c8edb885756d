with recursive pairs (ancestor_id, area_id, depth) as (

    select area_id, area_id, 0
    from {{ ref('stg_areas') }}

    union all

    select areas.parent_id, pairs.area_id, pairs.depth + 1
    from pairs
    inner join {{ ref('stg_areas') }} as areas on areas.area_id = pairs.ancestor_id
    where areas.parent_id is not null

) cycle ancestor_id set is_cycle using path

select ancestor_id, area_id, depth, is_cycle
from pairs
