with recursive paths as (

    select area_id, array[area_id] as path
    from {{ source('raw', 'areas') }}
    where parent_id is null

    union all

    select areas.area_id, paths.path || areas.area_id
    from paths
    inner join {{ source('raw', 'areas') }} as areas on areas.parent_id = paths.area_id

)

select
    up.ancestor_id,
    paths.area_id,
    cardinality(paths.path) - up.place as depth,
    up.place = 1 as is_top,
    paths.area_id not in (select parent_id from {{ source('raw', 'areas') }} where parent_id is not null) as is_bottom
from paths
cross join lateral unnest(paths.path) with ordinality as up (ancestor_id, place)
