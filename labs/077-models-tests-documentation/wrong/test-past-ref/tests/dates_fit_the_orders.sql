select customer_id, orders, first_order_on, last_order_on
from {{ target.schema }}.customer_orders
where first_order_on > last_order_on
   or (orders = 0) <> (first_order_on is null)
   or (orders = 0) <> (last_order_on is null)
