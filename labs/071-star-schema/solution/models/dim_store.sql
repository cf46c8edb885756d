-- From each area up to the world, however many steps that takes.
with recursive areas as (

    select distinct area_id, level, name, parent_id from {{ source('raw', 'areas') }}

),

above (area_id, level, name, parent_id) as (

    select area_id, level, name, parent_id from areas
    union all
    select above.area_id, parents.level, parents.name, parents.parent_id
    from above
    inner join areas as parents on parents.area_id = above.parent_id

),

places as (

    select
        area_id,
        coalesce(max(name) filter (where level = 'city'), 'none') as city,
        coalesce(max(name) filter (where level = 'district'), 'none') as district,
        coalesce(max(name) filter (where level = 'country'), 'none') as country,
        coalesce(max(name) filter (where level = 'region'), 'none') as region
    from above
    group by area_id

)

select distinct
    {{ surrogate_key('store', ['stores.store_id']) }} as store_key,
    stores.store_id,
    stores.name as store_name,
    stores.channel,
    places.city,
    places.district,
    places.country,
    places.region
from {{ source('raw', 'stores') }} as stores
left join places on places.area_id = stores.area_id

union all

select {{ unknown_key() }}, null, 'unknown', 'unknown', 'unknown', 'unknown', 'unknown', 'unknown'
