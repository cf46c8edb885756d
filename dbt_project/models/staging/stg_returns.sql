with source as (

    select * from {{ source('retail', 'returns') }}

),

deduplicated as (

    {{ deduplicate('source', 'line_id', 'returned_at desc') }}

)

select
    cast(line_id as bigint) as order_line_id,
    cast(order_id as bigint) as order_id,
    cast(returned_at as timestamptz) as returned_at,
    cast(quantity as integer) as quantity,
    cast(refund as numeric(14, 2)) as refund,
    {{ trimmed('reason') }} as return_reason
from deduplicated
