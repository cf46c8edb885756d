select order_id, ordered_at, recorded_at, customer_id, promotion_id, currency, status from {{ source('raw', 'orders') }}
where order_id is not null
