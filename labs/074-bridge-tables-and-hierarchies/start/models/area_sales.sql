select bridge.ancestor_id as area_id, sum(sales.amount) as amount
from {{ ref('bridge_area') }} as bridge
inner join {{ source('raw', 'stores') }} as stores on stores.area_id = bridge.area_id
inner join {{ source('raw', 'sales') }} as sales on sales.store_id = stores.store_id
group by bridge.ancestor_id
