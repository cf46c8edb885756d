-- Sales of each area with everything below. Each sale meets an ancestor once, because each pair is in the bridge once.
select
    bridge.ancestor_id as area_id,
    sum(sales.amount) as amount
from {{ ref('bridge_area') }} as bridge
left join {{ source('raw', 'stores') }} as stores on stores.area_id = bridge.area_id
left join {{ source('raw', 'sales') }} as sales on sales.store_id = stores.store_id
group by bridge.ancestor_id
