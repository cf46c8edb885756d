{{ config(materialized='incremental', unique_key='product_id') }}

with members as (

    select distinct on (product_id) product_id, sku, name as product_name, department, category
    from {{ source('raw', 'products') }}
    order by product_id

)
{% if is_incremental() %}
select
    coalesce(kept.product_key, (select max(product_key) from {{ this }}) + row_number() over (order by kept.product_key nulls first, members.product_id)) as product_key,
    members.*
from members
left join {{ this }} as kept on kept.product_id = members.product_id
{% else %}
select row_number() over (order by product_id) as product_key, members.* from members
union all
select 0, null, 'unknown', 'unknown', 'unknown', 'unknown'
{% endif %}
