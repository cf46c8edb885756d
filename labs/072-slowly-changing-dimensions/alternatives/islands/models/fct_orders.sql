select
    orders.order_id,
    coalesce(customers.customer_key, 0) as customer_key,
    orders.product_id,
    orders.ordered_at,
    orders.amount
from {{ source('raw', 'orders') }} as orders
left join {{ ref('dim_customer') }} as customers
    on customers.customer_id = orders.customer_id and customers.validity @> orders.ordered_at
