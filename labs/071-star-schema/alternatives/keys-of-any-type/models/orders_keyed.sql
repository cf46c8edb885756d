-- Completed orders, once each, with the keys of what belongs to the head: both fact tables use them.
{{ config(materialized='view') }}

with orders as (

    select distinct * from {{ source('raw', 'orders') }} where status = 'completed'

)

select
    orders.order_id,
    {{ date_key('orders.ordered_at') }} as order_date_key,
    coalesce(customers.customer_key, 'unknown') as customer_key,
    coalesce(stores.store_key, array[]::integer[]) as store_key
from orders
left join {{ ref('dim_customer') }} as customers
    on customers.system = orders.system and customers.customer_id = orders.customer_id
left join {{ ref('dim_store') }} as stores on stores.store_id = orders.store_id
