{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='order_id',
    on_schema_change='fail',
    indexes=[{'columns': ['recorded_at']}]
) }}

{% set dimensions = {
    'customer': ref('dim_customer'),
    'store': ref('dim_store'),
    'promotion': ref('dim_promotion'),
} %}

with
{% if is_incremental() %}
again as (

    {{ orders_to_key_again(dimensions, versioned=['customer']) }}

),
{% endif %}

orders as (

    select orders.*
    from {{ ref('orders_keyed') }} as orders
    {% if is_incremental() %}
    left join again on again.order_id = orders.order_id
    where orders.recorded_at >= {{ window_start('recorded_at') }} or again.order_id is not null
    {% endif %}

),

-- Added up before the join: one row an order, so that nothing is counted twice.
totals as (

    select
        lines.order_id,
        count(*) as lines,
        sum(lines.quantity) as quantity,
        sum(lines.discount) as discount,
        sum(lines.amount) as amount
    from {{ ref('fct_order_lines') }} as lines
    {% if is_incremental() %}
    inner join orders on orders.order_id = lines.order_id
    {% endif %}
    group by lines.order_id

)

select
    orders.order_id,
    orders.ordered_at,
    orders.recorded_at,
    orders.order_date_key,
    orders.local_order_date_key,
    orders.customer_key,
    orders.store_key,
    orders.promotion_key,
    orders.customer_id,
    orders.store_id,
    orders.promotion_id,
    orders.order_status,
    orders.order_status = 'completed' as is_completed,
    orders.currency,
    orders.per_euro,
    cast(coalesce(totals.lines, 0) as integer) as lines,
    cast(coalesce(totals.quantity, 0) as bigint) as quantity,
    cast(coalesce(totals.discount, 0) as numeric(16, 2)) as discount,
    cast(coalesce(totals.amount, 0) as numeric(16, 2)) as amount,
    {{ to_euro('coalesce(totals.amount, 0)', 'orders.per_euro') }} as amount_euro
from orders
left join totals on totals.order_id = orders.order_id
