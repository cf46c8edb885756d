{{ config(materialized='incremental') }}

with returns as (

    select distinct * from {{ source('raw', 'returns') }}

)

select
    {{ date_key('returns.returned_at') }} as return_date_key,
    lines.order_date_key,
    lines.customer_key,
    lines.product_key,
    lines.store_key,
    returns.return_id,
    returns.order_id,
    returns.line_number,
    returns.quantity,
    returns.refund as refund_amount
from returns
inner join {{ ref('fct_order_lines') }} as lines
    on lines.order_id = returns.order_id and lines.line_number = returns.line_number
{% if is_incremental() %}
where returns.return_id not in (select return_id from {{ this }})
{% endif %}
