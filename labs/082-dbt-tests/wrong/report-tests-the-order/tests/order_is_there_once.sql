-- Rule 1: an order that is there twice, on a day that the report has.
select o.order_id
from {{ ref('stg_orders') }} as o
left join {{ ref('daily_revenue') }} as r on r.day = o.ordered_at::date and r.currency = o.currency
group by o.order_id
having count(*) > 1
