-- Rule 6.
select customer_id, orders, first_order_on, last_order_on
from {{ ref('customer_orders') }}
where (orders > 1 and (first_order_on is null or last_order_on is null or first_order_on > last_order_on))
   or (orders = 0 and (first_order_on is not null or last_order_on is not null))
