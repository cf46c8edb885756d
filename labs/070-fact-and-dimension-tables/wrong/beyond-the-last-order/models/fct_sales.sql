{{ config(materialized='incremental') }}

with lines as (

    select
        orders.order_id,
        orders.ordered_at,
        orders.store_id,
        orders.shipping_fee,
        lines.line_number,
        lines.product_id,
        lines.quantity,
        lines.unit_price,
        lines.discount,
        sum(lines.quantity) over (partition by orders.order_id order by lines.line_number) as pieces_so_far,
        sum(lines.quantity) over (partition by orders.order_id) as pieces
    from {{ source('raw', 'orders') }} as orders
    inner join {{ source('raw', 'order_lines') }} as lines on lines.order_id = orders.order_id
    where
        orders.status = 'completed'
        {% if is_incremental() %}
        and orders.order_id > (select max(order_id) from {{ this }})
        {% endif %}

)

select
    dates.date_key,
    stores.store_key,
    products.product_key,
    lines.order_id,
    lines.line_number,
    lines.quantity,
    lines.unit_price,
    lines.quantity * lines.unit_price as gross_amount,
    lines.discount as discount_amount,
    lines.quantity * lines.unit_price - lines.discount as net_amount,
    -- What is spread up to this line, less what is spread up to the one before: no cent is lost.
    round(lines.shipping_fee * lines.pieces_so_far / lines.pieces, 2)
    - round(lines.shipping_fee * (lines.pieces_so_far - lines.quantity) / lines.pieces, 2) as shipping_amount
from lines
left join {{ ref('dim_date') }} as dates on dates.date_day = cast(lines.ordered_at as date)
left join {{ ref('dim_store') }} as stores on stores.store_id = lines.store_id
left join {{ ref('dim_product') }} as products on products.product_id = lines.product_id
