{{ config(materialized='table') }}
select o.order_id, o.ordered_on, o.currency, l.quantity, l.amount
from {{ ref('stg_orders') }} as o
join {{ ref('stg_order_lines') }} as l on l.order_id = o.order_id
where o.is_completed
