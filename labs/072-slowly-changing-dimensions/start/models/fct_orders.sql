-- Orders with the customer of today. Which customer was it then?
select
    orders.order_id,
    customers.customer_key,
    orders.product_id,
    orders.ordered_at,
    orders.amount
from {{ source('raw', 'orders') }} as orders
left join {{ ref('dim_customer') }} as customers on customers.customer_id = orders.customer_id
