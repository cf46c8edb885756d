with bought as (
    select sum(l.amount) as revenue
    from {{ ref('stg_order_lines') }} as l
    join {{ ref('stg_orders') }} as o on o.order_id = l.order_id
    where o.is_completed
),
sales as (select sum(revenue) as revenue from {{ ref('daily_sales') }})
select bought.revenue as bought, sales.revenue as reported
from bought cross join sales
where bought.revenue is distinct from sales.revenue
