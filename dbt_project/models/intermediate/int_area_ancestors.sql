with recursive ancestors (area_id, ancestor_area_id, steps_up) as (

    select area_id, area_id, 0
    from {{ ref('stg_areas') }}

    union all

    select ancestors.area_id, areas.parent_area_id, ancestors.steps_up + 1
    from ancestors
    inner join {{ ref('stg_areas') }} as areas on areas.area_id = ancestors.ancestor_area_id
    where areas.parent_area_id is not null

)

select
    ancestors.area_id,
    ancestors.ancestor_area_id,
    ancestors.steps_up,
    areas.area_level as ancestor_level,
    areas.area_name as ancestor_name
from ancestors
inner join {{ ref('stg_areas') }} as areas on areas.area_id = ancestors.ancestor_area_id
