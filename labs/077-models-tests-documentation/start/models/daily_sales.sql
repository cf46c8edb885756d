-- Copied from the dashboard. It runs, and that is the best that can be said of it.
select
    o.ordered_at::date as day,
    o.currency,
    count(*) as orders,
    sum(l.quantity) as quantity,
    sum(l.amount) as revenue
from raw.orders as o
join raw.order_lines as l on l.order_id = o.order_id
group by 1, 2
