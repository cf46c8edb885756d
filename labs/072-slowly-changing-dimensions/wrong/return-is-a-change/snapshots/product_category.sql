{% snapshot product_category %}

{{ config(unique_key='product_id', strategy='check', check_cols=['category'], hard_deletes='invalidate') }}

select product_id, category
from {{ source('raw', 'products') }}

{% endsnapshot %}
