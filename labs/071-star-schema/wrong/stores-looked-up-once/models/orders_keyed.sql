-- Completed orders, once each; those whose customer is known are done.
{{ config(materialized='incremental', unique_key='order_id') }}

with orders as (

    select distinct * from {{ source('raw', 'orders') }} where status = 'completed'
    {% if is_incremental() %}
        and order_id not in (select order_id from {{ this }} where customer_key <> {{ unknown_key() }})
    {% endif %}

)

select
    orders.order_id,
    {{ date_key('orders.ordered_at') }} as order_date_key,
    coalesce(customers.customer_key, {{ unknown_key() }}) as customer_key,
    coalesce(stores.store_key, {{ unknown_key() }}) as store_key
from orders
left join {{ ref('dim_customer') }} as customers
    on customers.system = orders.system and customers.customer_id = orders.customer_id
left join {{ ref('dim_store') }} as stores on stores.store_id = orders.store_id
