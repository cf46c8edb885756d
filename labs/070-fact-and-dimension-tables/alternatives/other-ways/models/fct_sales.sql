select
    o.ordered_at::date as date_key,
    coalesce(s.store_key, -1) as store_key,
    coalesce(p.product_key, -1) as product_key,
    l.order_id,
    l.line_number,
    l.quantity,
    l.unit_price,
    l.unit_price * l.quantity as gross_amount,
    l.discount as discount_amount,
    l.unit_price * l.quantity - l.discount as net_amount,
    o.shipping_fee * l.quantity
    / (select sum(x.quantity) from {{ source('raw', 'order_lines') }} as x where x.order_id = l.order_id) as shipping_amount
from {{ source('raw', 'order_lines') }} as l
inner join {{ source('raw', 'orders') }} as o on o.order_id = l.order_id and o.status = 'completed'
left join {{ ref('dim_store') }} as s on s.store_id = o.store_id
left join {{ ref('dim_product') }} as p on p.product_id = l.product_id
