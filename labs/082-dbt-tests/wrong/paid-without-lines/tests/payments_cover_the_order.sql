-- Rule 7. Both sides are summed before they meet: joined row by row, each payment would be counted once a line.
with paid as (
  select order_id, sum(amount) as amount from {{ ref('stg_payments') }} where status = 'captured' group by order_id
),
bought as (
  select order_id, sum(amount) as amount from {{ ref('stg_order_lines') }} group by order_id
)
select order_id, coalesce(bought.amount, 0) as bought, coalesce(paid.amount, 0) as paid
from {{ ref('stg_orders') }} as o
join bought using (order_id)
left join paid using (order_id)
where o.status = 'completed' and coalesce(bought.amount, 0) <> coalesce(paid.amount, 0)
