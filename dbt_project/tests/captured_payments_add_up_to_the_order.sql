with paid as (

    select order_id, sum(amount) as paid
    from {{ ref('fct_payments') }}
    where is_captured
    group by order_id

)

select orders.order_id, orders.amount, paid.paid
from {{ ref('fct_orders') }} as orders
inner join paid on paid.order_id = orders.order_id
where orders.is_completed and orders.amount <> paid.paid
