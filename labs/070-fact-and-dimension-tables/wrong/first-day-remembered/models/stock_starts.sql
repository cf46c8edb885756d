-- The day on which each product came to a store.
{{ config(materialized='incremental') }}

select store_id, product_id, min(cast(moved_at as date)) as first_day
from {{ source('raw', 'stock_movements') }}
{% if is_incremental() %}
where (store_id, product_id) not in (select store_id, product_id from {{ this }})
{% endif %}
group by store_id, product_id
