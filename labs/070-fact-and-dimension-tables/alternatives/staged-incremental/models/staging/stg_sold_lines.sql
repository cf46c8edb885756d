select
    orders.order_id,
    lines.line_number,
    orders.order_id * 100 + lines.line_number as sale_id,
    cast(orders.ordered_at at time zone 'UTC' as date) as sold_on,
    orders.store_id,
    lines.product_id,
    lines.quantity,
    lines.unit_price,
    lines.discount,
    orders.shipping_fee
from {{ source('raw', 'order_lines') }} as lines
inner join {{ source('raw', 'orders') }} as orders using (order_id)
where orders.status not in ('cancelled')
