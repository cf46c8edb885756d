-- An order points to the version that was in force when it was placed, also if that became known later.
select
    orders.order_id,
    coalesce(customers.customer_key, md5('unknown')) as customer_key,
    orders.product_id,
    orders.ordered_at,
    orders.amount
from {{ source('raw', 'orders') }} as orders
left join {{ ref('dim_customer') }} as customers
    on customers.customer_id = orders.customer_id
    and orders.ordered_at between customers.valid_from and coalesce(customers.valid_to - interval '1 second', 'infinity')
