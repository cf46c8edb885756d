select
    area_id,
    max(case when steps_up = 0 then ancestor_level end) as area_level,
    max(case when ancestor_level = 'city' then ancestor_name end) as city_name,
    max(case when ancestor_level = 'district' then ancestor_name end) as district_name,
    max(case when ancestor_level = 'country' then ancestor_area_id end) as country_area_id,
    max(case when ancestor_level = 'country' then ancestor_name end) as country_name,
    max(case when ancestor_level = 'region' then ancestor_area_id end) as region_area_id,
    max(case when ancestor_level = 'region' then ancestor_name end) as region_name
from {{ ref('int_area_ancestors') }}
group by area_id
