select returned.order_line_id, returned.refund, lines.amount
from {{ ref('fct_returns') }} as returned
inner join {{ ref('fct_order_lines') }} as lines on lines.order_line_id = returned.order_line_id
where returned.refund > lines.amount or returned.quantity > lines.quantity
