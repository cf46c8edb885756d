{{ config(materialized='table') }}
with lines as (
    select order_id, sum(quantity) as quantity, sum(amount) as amount from {{ ref('stg_order_lines') }} group by order_id
)
select ordered_on as day, currency, count(*) as orders, sum(quantity) as quantity, sum(amount) as revenue, sum(amount) / count(*) as mean_order
from {{ ref('stg_orders') }}
join lines using (order_id)
where is_completed
group by 1, 2
