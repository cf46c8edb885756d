-- Products as they are now. Make it type 3 for the category: what was it before?
select
    product_id,
    name as product_name,
    price,
    category,
    cast(null as text) as previous_category
from {{ source('raw', 'products') }}
