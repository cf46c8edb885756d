{% snapshot product_history %}

{{ config(unique_key='product_id', strategy='check', check_cols=['name', 'price', 'category']) }}

select product_id, name, price, category
from {{ source('raw', 'products') }}

{% endsnapshot %}
