-- Rule 7. Both sides are summed before they meet; what was not declined is paid.
with paid as (
  select order_id, sum(amount) as amount from {{ ref('stg_payments') }} where status <> 'declined' group by order_id
),
bought as (
  select order_id, sum(amount) as amount from {{ ref('stg_order_lines') }} group by order_id
)
select order_id, coalesce(bought.amount, 0) as bought, coalesce(paid.amount, 0) as paid
from {{ ref('stg_orders') }} as o
left join bought using (order_id)
left join paid using (order_id)
where o.status = 'completed' and coalesce(bought.amount, 0) <> coalesce(paid.amount, 0)
