with source as (

    select * from {{ source('retail', 'product_changes') }}

),

deduplicated as (

    {{ deduplicate('source', 'change_id', 'changed_at desc') }}

)

select
    cast(change_id as bigint) as change_id,
    cast(product_id as bigint) as product_id,
    cast(changed_at as timestamptz) as changed_at,
    {{ trimmed('department') }} as department,
    {{ trimmed('category') }} as category,
    cast(price as numeric(14, 2)) as list_price_euro
from deduplicated
