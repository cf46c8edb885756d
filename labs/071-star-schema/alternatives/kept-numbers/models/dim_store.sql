{{ config(materialized='incremental', unique_key='store_id') }}

with areas as (

    select distinct on (area_id) * from {{ source('raw', 'areas') }} order by area_id

),

members as (

    select distinct on (s.store_id)
        s.store_id,
        s.name as store_name,
        s.channel,
        case when a.level = 'city' then a.name else 'none' end as city,
        case when b.level = 'district' then b.name else 'none' end as district,
        case 'country' when a.level then a.name when b.level then b.name when c.level then c.name end as country,
        case 'region' when b.level then b.name when c.level then c.name when d.level then d.name end as region
    from {{ source('raw', 'stores') }} as s
    left join areas as a on a.area_id = s.area_id
    left join areas as b on b.area_id = a.parent_id
    left join areas as c on c.area_id = b.parent_id
    left join areas as d on d.area_id = c.parent_id
    order by s.store_id

)
{% if is_incremental() %}
select
    coalesce(kept.store_key, (select max(store_key) from {{ this }}) + row_number() over (order by kept.store_key nulls first, members.store_id)) as store_key,
    members.*
from members
left join {{ this }} as kept on kept.store_id = members.store_id
{% else %}
select row_number() over (order by store_id) as store_key, members.* from members
union all
select 0, null, 'unknown', 'unknown', 'unknown', 'unknown', 'unknown', 'unknown'
{% endif %}
