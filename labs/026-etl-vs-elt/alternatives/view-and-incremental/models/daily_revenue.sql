{{ config(materialized='view') }}
select day, country, count(*) as orders, sum(revenue) as revenue
from (
    select
        timezone('{{ var("timezone") }}', ordered_at)::date as day,
        coalesce((
            select max(country) from {{ source('raw', 'customers') }} as customers
            where customers.customer_id = orders.customer_id and customers.customer_id <> ''
        ), 'unknown') as country,
        amount::numeric as revenue
    from {{ ref('orders_now') }} as orders
    where status = 'completed' and amount ~ '^-?[0-9.]+$'
) as counted
group by day, country
