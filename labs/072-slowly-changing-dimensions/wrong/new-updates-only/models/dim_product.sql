-- Type 1 for name and price, type 3 for the category. The source keeps no history: the table itself remembers.
{{ config(materialized='incremental', unique_key='product_id') }}

select
    products.product_id,
    products.name as product_name,
    products.price,
    products.category,
    products.updated_at,
    {% if is_incremental() -%}
    case
        when products.category is distinct from before.category then before.category
        else before.previous_category
    end as previous_category
    {%- else -%}
    cast(null as text) as previous_category
    {%- endif %}
from {{ source('raw', 'products') }} as products
{% if is_incremental() -%}
left join {{ this }} as before on before.product_id = products.product_id
{%- endif %}
{% if is_incremental() -%}
where products.updated_at > (select max(updated_at) from {{ this }})
{%- endif %}
