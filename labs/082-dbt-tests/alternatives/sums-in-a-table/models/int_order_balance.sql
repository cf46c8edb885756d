{{ config(materialized='table') }}

select o.order_id, coalesce(bought.amount, 0) as bought, coalesce(paid.amount, 0) as paid
from {{ ref('stg_orders') }} as o
left join (select order_id, sum(amount) as amount from {{ ref('stg_order_lines') }} group by order_id) as bought using (order_id)
left join (select order_id, sum(amount) as amount from {{ ref('stg_payments') }} where status = 'captured' group by order_id) as paid
    using (order_id)
where o.status = 'completed'
