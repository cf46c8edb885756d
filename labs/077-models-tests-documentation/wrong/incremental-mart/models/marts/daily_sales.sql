{{ config(materialized='incremental', unique_key=['day', 'currency']) }}
select
    o.ordered_on as day,
    o.currency,
    count(distinct o.order_id) as orders,
    sum(l.quantity) as quantity,
    sum(l.amount) as revenue
from {{ ref('stg_orders') }} as o
join {{ ref('stg_order_lines') }} as l on l.order_id = o.order_id
where o.is_completed
{% if is_incremental() %}
    and o.ordered_on >= (select max(day) from {{ this }})
{% endif %}
group by o.ordered_on, o.currency
