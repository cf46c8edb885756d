select
    order_id,
    customer_id,
    (ordered_at at time zone 'UTC')::date as ordered_on,
    currency,
    status <> 'cancelled' as is_completed
from {{ source('shop', 'orders') }}
