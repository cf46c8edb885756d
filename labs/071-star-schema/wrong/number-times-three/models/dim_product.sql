select distinct
    100000000 + 3 * product_id as product_key,
    product_id,
    sku,
    name as product_name,
    department,
    category
from {{ source('raw', 'products') }}

union all

select -1, null, 'unknown', 'unknown', 'unknown', 'unknown'
