{{ config(severity='warn') }}

select orders.order_id, orders.amount, sum(payments.amount) as paid
from {{ ref('fct_orders') }} as orders
inner join {{ ref('fct_payments') }} as payments
    on payments.order_id = orders.order_id
    and payments.is_captured
where orders.is_completed
group by orders.order_id, orders.amount
having sum(payments.amount) < orders.amount
