select
    days.date_day,
    lines.currency,
    cast(count(distinct lines.order_id) as bigint) as orders,
    cast(count(*) as bigint) as lines,
    cast(sum(lines.quantity) as bigint) as quantity,
    cast(sum(lines.amount) as numeric(18, 2)) as amount
from {{ ref('fct_order_lines') }} as lines
inner join {{ ref('dim_date') }} as days on days.date_key = lines.order_date_key
where lines.is_completed
group by days.date_day, lines.currency
