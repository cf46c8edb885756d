{{ config(materialized='incremental', unique_key='return_id') }}

select distinct on (r.return_id)
    to_char(r.returned_at, 'YYYYMMDD') as return_date_key,
    f.order_date_key, f.customer_key, f.product_key, f.store_key,
    r.return_id, r.order_id, r.line_number, r.quantity, r.refund as refund_amount
from {{ source('raw', 'returns') }} as r
inner join {{ ref('fct_order_lines') }} as f on (f.order_id, f.line_number) = (r.order_id, r.line_number)
order by r.return_id
