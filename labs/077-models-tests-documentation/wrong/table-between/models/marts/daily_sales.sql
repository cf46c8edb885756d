select ordered_on as day, currency, count(distinct order_id) as orders, sum(quantity) as quantity, sum(amount) as revenue
from {{ ref('int_sales') }}
group by 1, 2
