with source as (

    select * from {{ source('retail', 'exchange_rates') }}

),

deduplicated as (

    {{ deduplicate('source', 'day, currency', 'rate_id desc') }}

)

select
    cast(day as date) as rate_on,
    {{ trimmed('currency') }} as currency,
    cast(per_euro as numeric(12, 6)) as per_euro
from deduplicated
