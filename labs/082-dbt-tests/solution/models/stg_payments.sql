select payment_id, order_id, paid_at, method, status, amount from {{ source('raw', 'payments') }}
