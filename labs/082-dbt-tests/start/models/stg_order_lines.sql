select line_id, order_id, line_number, product_id, quantity, amount from {{ source('raw', 'order_lines') }}
