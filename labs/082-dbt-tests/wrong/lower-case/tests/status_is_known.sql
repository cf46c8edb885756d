select order_id, status from {{ ref('stg_orders') }} where lower(status) not in ('completed', 'cancelled')
