{{ config(materialized='incremental') }}

select
    {% if is_incremental() %}(select max(product_key) from {{ this }}) + {% endif %}row_number() over (order by product_id) as product_key,
    product_id, sku, name as product_name, department, category
from {{ source('raw', 'products') }}
{% if is_incremental() %}
where product_id not in (select product_id from {{ this }})
{% endif %}
