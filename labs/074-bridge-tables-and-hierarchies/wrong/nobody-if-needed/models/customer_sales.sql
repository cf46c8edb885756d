-- A sale to nobody's account goes to the unknown customer. The weighted amounts add up to what was sold; the full ones do not.
with shared as (

    select
        coalesce(bridge.customer_id, -1) as customer_id,
        sales.amount * coalesce(bridge.weight, 1) as weighted,
        sales.amount
    from {{ source('raw', 'sales') }} as sales
    left join {{ ref('bridge_account_customer') }} as bridge on bridge.account_id = sales.account_id

)

select
    customers.customer_id,
    coalesce(sum(shared.weighted), 0) as amount_weighted,
    coalesce(sum(shared.amount), 0) as amount_full
from (select customer_id from {{ ref('bridge_account_customer') }} union select customer_id from shared) as customers
left join shared on shared.customer_id = customers.customer_id
group by customers.customer_id
