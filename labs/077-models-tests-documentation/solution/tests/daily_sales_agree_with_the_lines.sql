-- Rule 4. Day by day, both ways: a full join also sees the day that is only on one side, whatever its revenue.
with bought as (
    select o.ordered_on as day, o.currency, sum(l.amount) as revenue
    from {{ ref('stg_order_lines') }} as l
    join {{ ref('stg_orders') }} as o on o.order_id = l.order_id
    where o.is_completed
    group by o.ordered_on, o.currency
)
select day, currency, bought.revenue as bought, sales.revenue as reported
from bought
full join {{ ref('daily_sales') }} as sales using (day, currency)
where bought.day is null
   or bought.revenue is distinct from sales.revenue
