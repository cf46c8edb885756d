select
    bridge.customer_id,
    sum(sales.amount * bridge.weight) as amount_weighted,
    sum(sales.amount) as amount_full
from {{ source('raw', 'sales') }} as sales
inner join {{ ref('bridge_account_customer') }} as bridge on bridge.account_id = sales.account_id
group by bridge.customer_id
