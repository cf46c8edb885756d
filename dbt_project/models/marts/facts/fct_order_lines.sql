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
    'promotion': ref('dim_promotion'),
} %}

with
{% if is_incremental() %}
again as (

    {{ orders_to_key_again(dimensions, versioned=['customer', 'product']) }}

),
{% endif %}

orders as (

    select orders.*
    from {{ ref('orders_keyed') }} as orders
    {% if is_incremental() %}
    left join again on again.order_id = orders.order_id
    where orders.recorded_at >= {{ window_start('recorded_at') }} or again.order_id is not null
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
    orders.promotion_id,
    coalesce(orders.order_status, 'unknown') as order_status,
    coalesce(orders.order_status = 'completed', false) as is_completed,
    coalesce(orders.currency, 'XXX') as currency,
    orders.per_euro,
    lines.quantity,
    lines.unit_price,
    lines.discount,
    lines.amount,
    {{ to_euro('lines.amount', 'orders.per_euro') }} as amount_euro
from {{ ref('stg_order_lines') }} as lines
left join orders on orders.order_id = lines.order_id
left join {{ ref('dim_product') }} as products
    on products.product_id = lines.product_id
    and {{ in_force('products', 'orders.ordered_at') }}
{% if is_incremental() %}
left join {{ every_order }} as every_order on every_order.order_id = lines.order_id
-- The lines of those orders, and lines whose order has not come (yet).
where orders.order_id is not null or every_order.order_id is null
{% endif %}
