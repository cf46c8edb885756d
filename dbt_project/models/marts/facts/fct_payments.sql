{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='payment_id',
    on_schema_change='fail',
    indexes=[{'columns': ['paid_at']}]
) }}

with
{% if is_incremental() %}
-- Payments whose order came after them, or was given other keys since, and those without a rate.
again as (

    select loaded.payment_id
    from {{ this }} as loaded
    inner join {{ ref('fct_orders') }} as orders on orders.order_id = loaded.order_id
    where orders.customer_key <> loaded.customer_key or orders.store_key <> loaded.store_key
    union
    select payment_id
    from {{ this }}
    where amount_euro is null

),
{% endif %}

payments as (

    select payments.*
    from {{ ref('stg_payments') }} as payments
    {% if is_incremental() %}
    left join again on again.payment_id = payments.payment_id
    where payments.paid_at >= {{ window_start('paid_at') }} or again.payment_id is not null
    {% endif %}

)

select
    payments.payment_id,
    payments.order_id,
    payments.paid_at,
    {{ date_key(utc_day('payments.paid_at')) }} as payment_date_key,
    {{ or_unknown('orders.customer_key') }} as customer_key,
    {{ or_unknown('orders.store_key') }} as store_key,
    payments.payment_method,
    payments.payment_status,
    payments.payment_status = 'captured' as is_captured,
    payments.currency,
    payments.amount,
    {{ to_euro('payments.amount', 'coalesce(orders.per_euro, rates.per_euro)') }} as amount_euro
from payments
left join {{ ref('fct_orders') }} as orders on orders.order_id = payments.order_id
left join {{ ref('int_exchange_rates_daily') }} as rates
    on rates.rate_on = {{ utc_day('payments.paid_at') }}
    and rates.currency = payments.currency
