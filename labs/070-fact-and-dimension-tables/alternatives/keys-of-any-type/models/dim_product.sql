select
    array['product', cast(product_id as text)] as product_key,
    product_id,
    sku,
    name as product_name,
    department,
    category
from {{ source('raw', 'products') }}
