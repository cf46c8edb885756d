with source as (

    select * from {{ source('retail', 'payments') }}

),

deduplicated as (

    {{ deduplicate('source', 'payment_id', 'paid_at desc') }}

)

select
    cast(payment_id as bigint) as payment_id,
    cast(order_id as bigint) as order_id,
    cast(paid_at as timestamptz) as paid_at,
    {{ trimmed('method') }} as payment_method,
    cast(amount as numeric(14, 2)) as amount,
    {{ trimmed('currency') }} as currency,
    {{ trimmed('status') }} as payment_status
from deduplicated
