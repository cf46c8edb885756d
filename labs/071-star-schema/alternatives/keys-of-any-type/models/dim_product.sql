select distinct
    sha256(cast(cast(product_id as text) as bytea)) as product_key,
    product_id,
    sku,
    name as product_name,
    department,
    category
from {{ source('raw', 'products') }}

union all

select cast('' as bytea), null, 'unknown', 'unknown', 'unknown', 'unknown'
