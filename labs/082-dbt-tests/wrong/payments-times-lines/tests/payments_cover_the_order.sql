select o.order_id, sum(l.amount) as bought, sum(p.amount) as paid
from {{ ref('stg_orders') }} as o
join {{ ref('stg_order_lines') }} as l using (order_id)
left join {{ ref('stg_payments') }} as p on p.order_id = o.order_id and p.status = 'captured'
where o.status = 'completed'
group by o.order_id
having sum(l.amount) <> coalesce(sum(p.amount), 0)
