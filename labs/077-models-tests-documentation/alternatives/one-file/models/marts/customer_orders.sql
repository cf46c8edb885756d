{{ config(materialized='table') }}
with bought as (
    select customer_id, count(*) as orders, min(ordered_on) as first_order_on, max(ordered_on) as last_order_on
    from {{ ref('stg_orders') }}
    where is_completed
    group by customer_id
)
select customer_id, country, segment, coalesce(orders, 0) as orders, first_order_on, last_order_on
from {{ ref('stg_customers') }}
left join bought using (customer_id)
