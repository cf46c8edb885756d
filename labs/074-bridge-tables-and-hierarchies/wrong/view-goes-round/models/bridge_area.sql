{{ config(materialized='view') }}

-- Each area with itself and every area above it. It waits for the test: depends_on: {{ ref('stg_areas') }}
with recursive pairs as (

    select area_id as ancestor_id, area_id, 0 as depth
    from {{ source('raw', 'areas') }}

    union all

    select areas.parent_id, pairs.area_id, pairs.depth + 1
    from pairs
    inner join {{ source('raw', 'areas') }} as areas on areas.area_id = pairs.ancestor_id
    where areas.parent_id is not null

)

select
    pairs.ancestor_id,
    pairs.area_id,
    pairs.depth,
    areas.parent_id is null as is_top,
    not exists (select from {{ source('raw', 'areas') }} as below where below.parent_id = pairs.area_id) as is_bottom
from pairs
inner join {{ source('raw', 'areas') }} as areas on areas.area_id = pairs.ancestor_id
