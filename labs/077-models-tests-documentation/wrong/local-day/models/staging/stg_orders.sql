select
    order_id,
    customer_id,
    ordered_at::date as ordered_on,
    currency,
    status = 'completed' as is_completed
from {{ source('shop', 'orders') }}
