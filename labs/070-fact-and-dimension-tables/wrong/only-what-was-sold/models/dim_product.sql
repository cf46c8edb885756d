select
    md5(cast(product_id as text)) as product_key,
    product_id,
    sku,
    name as product_name,
    department,
    category
from {{ source('raw', 'products') }}
where product_id in (select product_id from {{ source('raw', 'order_lines') }})
