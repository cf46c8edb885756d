-- Rule 3: what support reads, with a reason.
{{ config(store_failures=true) }}
select l.order_id, case when l.order_id is null then 'no order' else 'unknown order' end as reason
from {{ ref('stg_order_lines') }} as l
left join {{ ref('stg_orders') }} as o on o.order_id = l.order_id
where o.order_id is null
