with codes as (

    select areas.country_area_id, min(stores.country_code) as country_code
    from {{ ref('stg_stores') }} as stores
    inner join {{ ref('int_areas') }} as areas on areas.area_id = stores.area_id
    group by areas.country_area_id

)

select
    {{ surrogate_key(['areas.area_id']) }} as country_key,
    {{ surrogate_key(['areas.region_area_id']) }} as region_key,
    codes.country_code,
    areas.country_name
from {{ ref('int_areas') }} as areas
left join codes on codes.country_area_id = areas.area_id
where areas.area_level = 'country'

union all

select {{ unknown_key() }}, {{ unknown_key() }}, null, 'unknown'
