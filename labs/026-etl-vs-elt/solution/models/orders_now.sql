-- The newest version of each order, with types. What can't be read becomes NULL here; in raw it stays what it was.
select distinct on (order_id)
    order_id,
    nullif(customer_id, '') as customer_id,
    ordered_at::timestamptz as ordered_at,
    case when amount ~ '^-?[0-9]+([.][0-9]+)?$' then amount::numeric(20, 2) end as amount,
    status
from {{ source('raw', 'orders') }}
order by order_id, updated_at::timestamptz desc
