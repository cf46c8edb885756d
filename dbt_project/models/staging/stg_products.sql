with source as (

    select * from {{ source('retail', 'products') }}

),

deduplicated as (

    {{ deduplicate('source', 'product_id', 'updated_at desc') }}

)

select
    cast(product_id as bigint) as product_id,
    {{ trimmed('sku') }} as sku,
    {{ trimmed('name') }} as product_name,
    {{ trimmed('department') }} as department,
    {{ trimmed('category') }} as category,
    cast(price as numeric(14, 2)) as list_price_euro,
    cast(weight as integer) as weight_g,
    cast(launched_on as date) as launched_on,
    cast(updated_at as timestamptz) as updated_at
from deduplicated
