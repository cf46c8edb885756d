with source as (

    select * from {{ source('retail', 'customers') }}

),

deduplicated as (

    {{ deduplicate('source', 'customer_id', 'updated_at desc') }}

)

select
    cast(customer_id as bigint) as customer_id,
    {{ trimmed('name') }} as customer_name,
    {{ trimmed('email') }} as email,
    {{ to_day('birth_date') }} as birth_date,
    {{ trimmed('country') }} as country_code,
    {{ trimmed('city') }} as city,
    {{ trimmed('postal_code') }} as postal_code,
    {{ trimmed('segment') }} as segment,
    cast(registered_at as timestamptz) as registered_at,
    cast(updated_at as timestamptz) as updated_at
from deduplicated
