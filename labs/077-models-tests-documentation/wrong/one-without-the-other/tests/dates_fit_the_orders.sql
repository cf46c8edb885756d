-- Rule 6.
select customer_id, orders, first_order_on, last_order_on
from {{ ref('customer_orders') }}
where first_order_on > last_order_on
   or (first_order_on is null) <> (last_order_on is null)
