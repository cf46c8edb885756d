select lines.order_line_id, lines.discount, coverage.product_key is not null as is_covered
from {{ ref('fct_order_lines') }} as lines
left join {{ ref('bridge_promotion_product') }} as coverage
    on coverage.promotion_key = lines.promotion_key
    and coverage.product_key = lines.product_key
where
    lines.discount <> 0
    and coverage.product_key is null
    and lines.product_key <> {{ unknown_key() }}
    and lines.promotion_key <> {{ unknown_key() }}
