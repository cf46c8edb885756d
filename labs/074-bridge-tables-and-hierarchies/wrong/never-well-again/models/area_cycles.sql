{{ config(materialized='incremental') }}

-- Areas that cannot be reached from a top. Going down from the tops always ends; what lies in a cycle, or below one, is not met.
with recursive reached as (

    select area_id
    from {{ ref('stg_areas') }}
    where parent_id is null

    union all

    select areas.area_id
    from {{ ref('stg_areas') }} as areas
    inner join reached on reached.area_id = areas.parent_id

)

select area_id, current_timestamp as found_at
from {{ ref('stg_areas') }}
where area_id not in (select area_id from reached)

