-- Over shops and products the stock may be added up, over days not: first the shop's stock of each day, then the month.
with snapshot_days as (

    select date_trunc('month', dates.date_day) as month, count(distinct dates.date_day) as days
    from {{ ref('fct_stock_daily') }} as stock
    inner join {{ ref('dim_date') }} as dates on dates.date_key = stock.date_key
    group by 1

),

shop_days as (

    select
        stock.store_key,
        dates.date_day,
        cast(date_trunc('month', dates.date_day) as date) as month,
        sum(stock.quantity_on_hand) as quantity_on_hand
    from {{ ref('fct_stock_daily') }} as stock
    inner join {{ ref('dim_date') }} as dates on dates.date_key = stock.date_key
    group by stock.store_key, dates.date_day

)

select
    month,
    store_key,
    (array_agg(quantity_on_hand order by date_day desc))[1] as closing_quantity,
    sum(quantity_on_hand) / max(snapshot_days.days) as average_quantity
from shop_days
inner join snapshot_days using (month)
group by month, store_key
