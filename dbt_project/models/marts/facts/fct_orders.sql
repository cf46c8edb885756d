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
} %}

with orders as (

    select * from {{ ref('orders_keyed') }}
    {% if is_incremental() %}
    where
        recorded_at >= {{ window_start('recorded_at') }}
        or order_id in ({{ orders_to_key_again(dimensions, versioned=['customer']) }})
    {% endif %}

),

-- Added up before the join: one row an order, so that nothing is counted twice.
totals as (

    select
        order_id,
        count(*) as lines,
        sum(quantity) as quantity,
        sum(discount) as discount,
        sum(amount) as amount
    from {{ ref('fct_order_lines') }}
    {% if is_incremental() %}
    where order_id in (select order_id from orders)
    {% endif %}
    group by order_id

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
