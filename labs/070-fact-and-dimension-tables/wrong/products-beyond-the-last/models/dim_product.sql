{{ config(materialized='incremental') }}

select
    md5(cast(product_id as text)) as product_key,
    product_id,
    sku,
    name as product_name,
    department,
    category
from {{ source('raw', 'products') }}
{% if is_incremental() %}
where product_id > (select max(product_id) from {{ this }})
{% endif %}
