with products as (

    select distinct product_id, sku, name, department, category from {{ source('raw', 'products') }}

)

select
    cast(row_number() over (order by product_id) as text) as product_key,
    product_id,
    sku,
    name as product_name,
    department,
    category
from products

union all

select {{ unknown_key() }}, null, 'unknown', 'unknown', 'unknown', 'unknown'
