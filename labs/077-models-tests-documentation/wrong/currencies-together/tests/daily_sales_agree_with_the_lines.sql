with bought as (
    select o.ordered_on as day, sum(l.amount) as revenue
    from {{ ref('stg_order_lines') }} as l
    join {{ ref('stg_orders') }} as o on o.order_id = l.order_id
    where o.is_completed
    group by o.ordered_on
),
sales as (select day, sum(revenue) as revenue from {{ ref('daily_sales') }} group by day)
select day, bought.revenue as bought, sales.revenue as reported
from bought
full join sales using (day)
where bought.revenue is distinct from sales.revenue
