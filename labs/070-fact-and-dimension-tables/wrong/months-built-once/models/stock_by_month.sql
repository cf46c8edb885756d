{{ config(materialized='incremental') }}

-- Over shops and products the stock may be added up, over days not: first the shop's stock of each day, then the month.
with shop_days as (

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
    avg(quantity_on_hand) as average_quantity
from shop_days
{% if is_incremental() %}
where (month, store_key) not in (select month, store_key from {{ this }})
{% endif %}
group by month, store_key
