-- Sales of each area with everything below. Each amount counts once.
select
    bridge.ancestor_id as area_id,
    coalesce(sum(distinct sales.amount), 0) as amount
from {{ ref('bridge_area') }} as bridge
left join {{ source('raw', 'stores') }} as stores on stores.area_id = bridge.area_id
left join {{ source('raw', 'sales') }} as sales on sales.store_id = stores.store_id
left join {{ ref('bridge_account_customer') }} as holders on holders.account_id = sales.account_id
group by bridge.ancestor_id
