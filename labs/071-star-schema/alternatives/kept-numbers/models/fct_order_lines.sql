select
    to_char(o.ordered_at, 'YYYYMMDD') as order_date_key,
    coalesce(c.customer_key, 0) as customer_key,
    coalesce(p.product_key, 0) as product_key,
    coalesce(s.store_key, 0) as store_key,
    l.order_id,
    l.line_number,
    max(l.quantity) as quantity,
    max(l.amount) as amount
from {{ source('raw', 'order_lines') }} as l
inner join {{ source('raw', 'orders') }} as o using (order_id)
left join {{ ref('dim_customer') }} as c on (c.system, c.customer_id) = (o.system, o.customer_id)
left join {{ ref('dim_product') }} as p on p.product_id = l.product_id
left join {{ ref('dim_store') }} as s on s.store_id = o.store_id
where o.status = 'completed'
group by 1, 2, 3, 4, 5, 6
