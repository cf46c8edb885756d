with levels as (

    select
        one.area_id,
        array[one.area_id, two.area_id, three.area_id, four.area_id] as above
    from {{ ref('stg_areas') }} as one
    left join {{ ref('stg_areas') }} as two on two.area_id = one.parent_id
    left join {{ ref('stg_areas') }} as three on three.area_id = two.parent_id
    left join {{ ref('stg_areas') }} as four on four.area_id = three.parent_id

)

select
    up.ancestor_id,
    levels.area_id,
    cast(up.place - 1 as integer) as depth,
    areas.parent_id is null as is_top,
    not exists (select from {{ ref('stg_areas') }} as below where below.parent_id = levels.area_id) as is_bottom
from levels
cross join lateral unnest(levels.above) with ordinality as up (ancestor_id, place)
inner join {{ ref('stg_areas') }} as areas on areas.area_id = up.ancestor_id
