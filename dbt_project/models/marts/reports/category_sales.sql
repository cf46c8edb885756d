select
    days.month_start,
    products.department,
    products.category,
    lines.currency,
    cast(count(*) as bigint) as lines,
    cast(sum(lines.quantity) as bigint) as quantity,
    cast(sum(lines.amount) as numeric(18, 2)) as amount,
    cast(sum(lines.amount_euro) as numeric(24, 12)) as amount_euro
from {{ ref('fct_order_lines') }} as lines
inner join {{ ref('dim_date') }} as days on days.date_key = lines.order_date_key
inner join {{ ref('dim_product') }} as products on products.product_key = lines.product_key
where lines.is_completed
group by days.month_start, products.department, products.category, lines.currency
