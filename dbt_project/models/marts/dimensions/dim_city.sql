select
    {{ surrogate_key(['area_id']) }} as city_key,
    {{ surrogate_key(['country_area_id']) }} as country_key,
    coalesce(city_name, 'all of ' || country_name) as city_name,
    coalesce(district_name, 'none') as district_name,
    city_name is null as is_whole_country
from {{ ref('int_areas') }}
where area_level = 'city' or area_id in (select area_id from {{ ref('stg_stores') }})

union all

select {{ unknown_key() }}, {{ unknown_key() }}, 'unknown', 'unknown', false
