-- What the last team left: one row an order.
select
    orders.order_id,
    orders.store_id,
    orders.recorded_at,
    sum(lines.quantity * lines.unit_price) as amount,
    max(orders.shipping_fee) as shipping
from {{ source('raw', 'orders') }} as orders
inner join {{ source('raw', 'order_lines') }} as lines on lines.order_id = orders.order_id
group by orders.order_id, orders.store_id, orders.recorded_at
