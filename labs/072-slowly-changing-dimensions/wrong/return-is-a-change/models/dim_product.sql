-- The snapshot has a row for each category that a product had; the one before the last is the previous one.
{{ config(materialized='incremental', unique_key='product_id') }}

with ended as (

    select distinct on (product_id) product_id, category
    from {{ ref('product_category') }}
    where dbt_valid_to is not null
    order by product_id, dbt_valid_to desc

)

select
    products.product_id,
    products.name as product_name,
    products.price,
    products.category,
    ended.category as previous_category
from {{ source('raw', 'products') }} as products
left join ended on ended.product_id = products.product_id
