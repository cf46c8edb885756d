{{ config(materialized='view') }}

with days as (

    select
        f.store_key,
        d.date_day,
        make_date(d.year, d.month, 1) as month,
        sum(f.quantity_on_hand) as stock
    from {{ ref('fct_stock_daily') }} as f
    inner join {{ ref('dim_date') }} as d using (date_key)
    group by 1, 2, 3

)

select distinct
    month,
    store_key,
    last_value(stock) over w as closing_quantity,
    round(avg(stock) over w, 2) as average_quantity
from days
window w as (partition by store_key, month order by date_day rows between unbounded preceding and unbounded following)
