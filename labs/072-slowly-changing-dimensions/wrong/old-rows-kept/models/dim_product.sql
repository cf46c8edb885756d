-- Type 1 for name and price, type 3 for the category. The source keeps no history: the table itself remembers.
{{ config(materialized='incremental') }}

select
    products.product_id,
    products.name as product_name,
    products.price,
    products.category,
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
left join lateral (
    select * from {{ this }} as old
    where old.product_id = products.product_id
    order by (old.product_name, old.price, old.category) = (products.name, products.price, products.category) desc
    limit 1
) as before on true
where (before.product_name, before.price, before.category) is distinct from (products.name, products.price, products.category)
{%- endif %}
