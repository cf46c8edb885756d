{{ config(materialized='view') }}

with own as (

    select stores.area_id, sum(sales.amount) as amount
    from {{ source('raw', 'sales') }} as sales
    inner join {{ source('raw', 'stores') }} as stores using (store_id)
    group by stores.area_id

)

select bridge.ancestor_id as area_id, sum(coalesce(own.amount, 0)) as amount
from {{ ref('bridge_area') }} as bridge
left join own on own.area_id = bridge.area_id
group by bridge.ancestor_id
