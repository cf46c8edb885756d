with source as (

    select * from {{ source('retail', 'orders') }}

),

deduplicated as (

    {{ deduplicate('source', 'order_id', 'recorded_at desc') }}

)

select
    cast(order_id as bigint) as order_id,
    cast(ordered_at as timestamptz) as ordered_at,
    cast(recorded_at as timestamptz) as recorded_at,
    cast(customer_id as bigint) as customer_id,
    cast(store_id as bigint) as store_id,
    cast(promotion_id as bigint) as promotion_id,
    {{ trimmed('currency') }} as currency,
    {{ trimmed('status') }} as order_status
from deduplicated
