-- Incremental: whoever has a line in the newest deliveries is looked at again, with all of its lines.
{{ config(materialized='incremental', unique_key='order_id') }}
select order_id, customer_id, ordered_at::timestamptz as ordered_at, amount, status, updated_at::timestamptz as updated_at
from (
    select *, row_number() over (partition by order_id order by updated_at desc) as version
    from {{ source('raw', 'orders') }}
    {% if is_incremental() %}
    where order_id in (
        select order_id from {{ source('raw', 'orders') }} as line
        where not exists (
            select from {{ this }} as known where known.order_id = line.order_id and known.updated_at >= line.updated_at::timestamptz
        )
    )
    {% endif %}
) as lines
where version = 1
