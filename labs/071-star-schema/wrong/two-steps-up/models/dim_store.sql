select distinct
    {{ surrogate_key('store', ['stores.store_id']) }} as store_key,
    stores.store_id,
    stores.name as store_name,
    stores.channel,
    coalesce(cities.name, 'none') as city,
    coalesce(districts.name, 'none') as district,
    coalesce(countries.name, 'none') as country,
    coalesce(regions.name, 'none') as region
from {{ source('raw', 'stores') }} as stores
left join {{ source('raw', 'areas') }} as cities on cities.area_id = stores.area_id
left join {{ source('raw', 'areas') }} as districts on districts.area_id = cities.parent_id
left join {{ source('raw', 'areas') }} as countries on countries.area_id = districts.parent_id
left join {{ source('raw', 'areas') }} as regions on regions.area_id = countries.parent_id

union all

select {{ unknown_key() }}, null, 'unknown', 'unknown', 'unknown', 'unknown', 'unknown', 'unknown'
