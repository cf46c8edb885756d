{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='order_line_id',
    on_schema_change='fail',
    indexes=[{'columns': ['order_id']}, {'columns': ['recorded_at']}]
) }}

{% set every_order = ref('stg_orders') %}
{% set dimensions = {
    'customer': ref('dim_customer'),
    'product': ref('dim_product'),
    'store': ref('dim_store'),
} %}

with orders as (

    select * from {{ ref('orders_keyed') }}
    {% if is_incremental() %}
    where
        recorded_at >= {{ window_start('recorded_at') }}
        or order_id in ({{ orders_to_key_again(dimensions, versioned=['customer', 'product']) }})
    {% endif %}

),

lines as (

    select lines.*
    from {{ ref('stg_order_lines') }} as lines
    {% if is_incremental() %}
    where
        lines.order_id in (select order_id from orders)
        -- A line whose order has not come (yet).
        or lines.order_id not in (select order_id from {{ every_order }})
    {% endif %}

)

select
    lines.order_line_id,
    lines.order_id,
    lines.line_number,
    orders.ordered_at,
    orders.recorded_at,
    coalesce(orders.order_date_key, {{ unknown_date_key() }}) as order_date_key,
    coalesce(orders.local_order_date_key, {{ unknown_date_key() }}) as local_order_date_key,
    {{ or_unknown('orders.customer_key') }} as customer_key,
    {{ or_unknown('products.product_key') }} as product_key,
    {{ or_unknown('orders.store_key') }} as store_key,
    {{ or_unknown('orders.promotion_key') }} as promotion_key,
    orders.customer_id,
    lines.product_id,
    orders.store_id,
    coalesce(orders.order_status, 'unknown') as order_status,
    coalesce(orders.order_status = 'completed', false) as is_completed,
    coalesce(orders.currency, 'XXX') as currency,
    orders.per_euro,
    lines.quantity,
    lines.unit_price,
    lines.discount,
    lines.amount,
    {{ to_euro('lines.amount', 'orders.per_euro') }} as amount_euro
from lines
left join orders on orders.order_id = lines.order_id
left join {{ ref('dim_product') }} as products
    on products.product_id = lines.product_id
    and {{ in_force('products', 'orders.ordered_at') }}
