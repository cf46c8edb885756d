select
    c.customer_id,
    c.country,
    c.segment,
    count(o.order_id) as orders,
    min(o.ordered_on) as first_order_on,
    max(o.ordered_on) as last_order_on
from {{ ref('stg_customers') }} as c
left join {{ target.schema }}.stg_orders as o on o.customer_id = c.customer_id and o.is_completed
group by c.customer_id, c.country, c.segment
