select order_id, product_id, quantity, amount from {{ source('shop', 'order_lines') }}
