{{ config(
    alias='daily_sales',
    post_hook="alter table {{ this }} add column is_credit boolean generated always as (revenue < 0) stored"
) }}
select
    md5(o.ordered_on || o.currency) as daily_sales_key,
    o.ordered_on as day,
    o.currency,
    count(distinct o.order_id) as orders,
    sum(l.quantity) as quantity,
    sum(l.amount) as revenue,
    sum(l.amount) / sum(l.quantity) as mean_price
from {{ ref('stg_orders') }} as o
join {{ ref('stg_order_lines') }} as l on l.order_id = o.order_id
where o.is_completed
group by o.ordered_on, o.currency
