with source as (

    select * from {{ source('retail', 'customer_changes') }}

),

deduplicated as (

    {{ deduplicate('source', 'change_id', 'changed_at desc') }}

)

select
    cast(change_id as bigint) as change_id,
    cast(customer_id as bigint) as customer_id,
    cast(changed_at as timestamptz) as changed_at,
    {{ trimmed('city') }} as city,
    {{ trimmed('postal_code') }} as postal_code,
    {{ trimmed('segment') }} as segment
from deduplicated
