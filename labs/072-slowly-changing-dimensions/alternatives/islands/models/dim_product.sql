-- A table that is made of the source and of what it was itself.
{% set mine = load_relation(this) %}

select
    coalesce(products.product_id, before.product_id) as product_id,
    coalesce(products.name, before.product_name) as product_name,
    coalesce(products.price, before.price) as price,
    coalesce(products.category, before.category) as category,
    case when products.category <> before.category then before.category else before.previous_category end as previous_category
from {{ source('raw', 'products') }} as products
full join (
    {% if mine -%}
    select * from {{ mine }}
    {%- else -%}
    select
        cast(null as bigint) as product_id,
        cast(null as text) as product_name,
        cast(null as numeric) as price,
        cast(null as text) as category,
        cast(null as text) as previous_category
    where false
    {%- endif %}
) as before on before.product_id = products.product_id
