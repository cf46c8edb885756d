{{ config(post_hook="alter table {{ this }} add column row_number bigint generated always as identity primary key") }}
select
    md5(c.customer_id::text) as customer_key,
    c.customer_id,
    c.country,
    c.segment,
    count(o.order_id) as orders,
    min(o.ordered_on) as first_order_on,
    max(o.ordered_on) as last_order_on
from {{ ref('stg_customers') }} as c
left join {{ ref('stg_orders') }} as o on o.customer_id = c.customer_id and o.is_completed
group by c.customer_id, c.country, c.segment
