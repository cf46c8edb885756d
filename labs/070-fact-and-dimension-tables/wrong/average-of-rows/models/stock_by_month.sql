with last_days as (

    select date_trunc('month', dates.date_day) as month, stock.store_key, max(dates.date_key) as date_key
    from {{ ref('fct_stock_daily') }} as stock
    inner join {{ ref('dim_date') }} as dates on dates.date_key = stock.date_key
    group by date_trunc('month', dates.date_day), stock.store_key

)

select
    cast(last_days.month as date) as month,
    stock.store_key,
    sum(stock.quantity_on_hand) filter (where stock.date_key = last_days.date_key) as closing_quantity,
    avg(stock.quantity_on_hand) as average_quantity
from {{ ref('fct_stock_daily') }} as stock
inner join {{ ref('dim_date') }} as dates on dates.date_key = stock.date_key
inner join last_days on last_days.store_key = stock.store_key and last_days.month = date_trunc('month', dates.date_day)
group by last_days.month, stock.store_key
