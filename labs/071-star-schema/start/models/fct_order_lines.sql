-- One wide table for the first report. "The totals are a little high", they say.
select
    orders.order_id,
    orders.ordered_at,
    customers.name as customer,
    products.department,
    lines.quantity,
    lines.amount,
    returns.refund
from {{ source('raw', 'order_lines') }} as lines
inner join {{ source('raw', 'orders') }} as orders on orders.order_id = lines.order_id
inner join {{ source('raw', 'customers') }} as customers on customers.customer_id = orders.customer_id
inner join {{ source('raw', 'products') }} as products on products.product_id = lines.product_id
left join {{ source('raw', 'returns') }} as returns on returns.order_id = lines.order_id
