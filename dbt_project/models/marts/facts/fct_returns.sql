{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='order_line_id',
    on_schema_change='fail',
    indexes=[{'columns': ['returned_at']}]
) }}

with
{% if is_incremental() %}
-- Returns whose line came after them, or was given other keys or a rate since.
again as (

    select loaded.order_line_id
    from {{ this }} as loaded
    inner join {{ ref('fct_order_lines') }} as lines on lines.order_line_id = loaded.order_line_id
    where
        lines.customer_key <> loaded.customer_key
        or lines.product_key <> loaded.product_key
        or lines.store_key <> loaded.store_key
        or lines.currency <> loaded.currency
        or (loaded.refund_euro is null and lines.per_euro is not null)

),
{% endif %}

returned as (

    select returned.*
    from {{ ref('stg_returns') }} as returned
    {% if is_incremental() %}
    left join again on again.order_line_id = returned.order_line_id
    where returned.returned_at >= {{ window_start('returned_at') }} or again.order_line_id is not null
    {% endif %}

)

select
    returned.order_line_id,
    returned.order_id,
    returned.returned_at,
    {{ date_key(utc_day('returned.returned_at')) }} as return_date_key,
    coalesce(lines.order_date_key, {{ unknown_date_key() }}) as order_date_key,
    {{ or_unknown('lines.customer_key') }} as customer_key,
    {{ or_unknown('lines.product_key') }} as product_key,
    {{ or_unknown('lines.store_key') }} as store_key,
    returned.return_reason,
    coalesce(lines.currency, 'XXX') as currency,
    returned.quantity,
    returned.refund,
    {{ to_euro('returned.refund', 'lines.per_euro') }} as refund_euro
from returned
left join {{ ref('fct_order_lines') }} as lines on lines.order_line_id = returned.order_line_id
