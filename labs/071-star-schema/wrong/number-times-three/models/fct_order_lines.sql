with lines as (

    select distinct * from {{ source('raw', 'order_lines') }}

)

select
    orders.order_date_key,
    orders.customer_key,
    coalesce(products.product_key, -1) as product_key,
    orders.store_key,
    lines.order_id,
    lines.line_number,
    lines.quantity,
    lines.amount
from lines
inner join {{ ref('orders_keyed') }} as orders on orders.order_id = lines.order_id
left join {{ ref('dim_product') }} as products on products.product_id = lines.product_id
