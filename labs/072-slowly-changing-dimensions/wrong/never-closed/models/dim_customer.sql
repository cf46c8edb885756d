{{ config(materialized='incremental', unique_key='customer_key') }}

select
    md5(customer_id || '|' || extract(epoch from changed_at) || '|' || recorded_at) as customer_key,
    customer_id,
    name as customer_name,
    city,
    segment,
    changed_at as valid_from,
    cast(null as timestamptz) as valid_to,
    true as is_current
from {{ source('raw', 'customer_changes') }}
where operation <> 'delete'
