select bought, paid
from (select sum(amount) as bought from {{ ref('stg_order_lines') }} as l join {{ ref('stg_orders') }} as o using (order_id) where o.status = 'completed') as b
cross join (select sum(amount) as paid from {{ ref('stg_payments') }} where status = 'captured') as p
where bought <> paid
