{{ config(materialized='incremental', unique_key=['order_id', 'line_number']) }}

with lines as (

    select distinct * from {{ source('raw', 'order_lines') }}

)

select
    orders.order_date_key,
    orders.customer_key,
    coalesce(products.product_key, {{ unknown_key() }}) as product_key,
    orders.store_key,
    lines.order_id,
    lines.line_number,
    lines.quantity,
    lines.amount
from lines
inner join {{ ref('orders_keyed') }} as orders on orders.order_id = lines.order_id
left join {{ ref('dim_product') }} as products on products.product_id = lines.product_id
{% if is_incremental() %}
where lines.order_id > (select max(order_id) from {{ this }})
    or {{ unknown_key() }} in (select unnest(array[customer_key, product_key, store_key]) from {{ this }} as kept where kept.order_id = lines.order_id)
{% endif %}
