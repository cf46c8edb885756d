-- Type 1 for name and price, type 3 for the category. The source keeps no history: the table itself remembers.
{{ config(materialized='incremental', unique_key='product_id') }}

select
    products.product_id,
    products.name as product_name,
    products.price,
    products.category,
    {% if is_incremental() -%}
    coalesce(before.category, before.previous_category) as previous_category
    {%- else -%}
    cast(null as text) as previous_category
    {%- endif %}
from {{ source('raw', 'products') }} as products
{% if is_incremental() -%}
left join {{ this }} as before on before.product_id = products.product_id
{%- endif %}
