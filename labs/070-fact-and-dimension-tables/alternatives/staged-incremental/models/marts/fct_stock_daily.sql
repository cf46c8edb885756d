{{ config(materialized='incremental', unique_key=['date_key', 'store_key', 'product_key']) }}

select
    d.date_key,
    st.store_key,
    p.product_key,
    coalesce(m.received, 0) as quantity_received,
    coalesce(m.sold, 0) as quantity_sold,
    coalesce(m.written_off, 0) as quantity_written_off,
    sum(coalesce(m.received - m.sold - m.written_off, 0)) over (
        partition by k.store_id, k.product_id order by d.date_day rows unbounded preceding
    ) as quantity_on_hand
from (select store_id, product_id, min(moved_on) as since from {{ ref('stg_stock_days') }} group by 1, 2) as k
inner join {{ ref('dim_date') }} as d
    on d.date_day >= k.since and d.date_day <= (select max(moved_on) from {{ ref('stg_stock_days') }})
inner join {{ ref('dim_store') }} as st on st.store_id = k.store_id
inner join {{ ref('dim_product') }} as p on p.product_id = k.product_id
left join {{ ref('stg_stock_days') }} as m
    on m.store_id = k.store_id and m.product_id = k.product_id and m.moved_on = d.date_day
