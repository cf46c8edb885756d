select order_id, line_number from {{ ref('stg_order_lines') }} group by order_id, line_number having count(*) > 1
