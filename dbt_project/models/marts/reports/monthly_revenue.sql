with sales as (

    select order_date_key as date_key, count(distinct order_id) as orders, sum(amount_euro) as gross_euro
    from {{ ref('fct_order_lines') }}
    where is_completed
    group by order_date_key

),

refunds as (

    select order_date_key as date_key, sum(refund_euro) as refund_euro
    from {{ ref('fct_returns') }}
    group by order_date_key

)

-- Each fact is added up on its own before they meet: joined row by row, one would multiply the other.
select
    days.month_start,
    cast(sum(sales.orders) as bigint) as orders,
    cast(round(sum(sales.gross_euro), 2) as numeric(18, 2)) as gross_euro,
    cast(round(coalesce(sum(refunds.refund_euro), 0), 2) as numeric(18, 2)) as refund_euro,
    cast(round(sum(sales.gross_euro) - coalesce(sum(refunds.refund_euro), 0), 2) as numeric(18, 2)) as net_euro
from sales
inner join {{ ref('dim_date') }} as days on days.date_key = sales.date_key
left join refunds on refunds.date_key = sales.date_key
group by days.month_start
