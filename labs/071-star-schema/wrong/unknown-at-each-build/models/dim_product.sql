{{ config(materialized='incremental', unique_key='product_id') }}

select distinct
    {{ surrogate_key('product', ['product_id']) }} as product_key,
    product_id,
    sku,
    name as product_name,
    department,
    category
from {{ source('raw', 'products') }}

union all

select {{ unknown_key() }}, null, 'unknown', 'unknown', 'unknown', 'unknown'
