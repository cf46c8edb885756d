with moved as (

    select
        store_id,
        product_id,
        cast(moved_at as date) as date_day,
        coalesce(sum(quantity) filter (where kind = 'receipt'), 0) as quantity_received,
        coalesce(sum(quantity) filter (where kind = 'sale'), 0) as quantity_sold,
        coalesce(sum(quantity) filter (where kind = 'write_off'), 0) as quantity_written_off
    from {{ source('raw', 'stock_movements') }}
    group by store_id, product_id, cast(moved_at as date)

),

-- The grain: a row for each day from the first movement on, whether something moved or not.
every_day as (

    select kept.store_id, kept.product_id, dates.date_day, dates.date_key
    from {{ ref('stock_starts') }} as kept
    inner join {{ ref('dim_date') }} as dates
        on dates.date_day between kept.first_day and (select max(date_day) from moved)

),

filled as (

    select
        every_day.*,
        coalesce(moved.quantity_received, 0) as quantity_received,
        coalesce(moved.quantity_sold, 0) as quantity_sold,
        coalesce(moved.quantity_written_off, 0) as quantity_written_off
    from every_day
    left join moved
        on moved.store_id = every_day.store_id and moved.product_id = every_day.product_id and moved.date_day = every_day.date_day

)

select
    filled.date_key,
    stores.store_key,
    products.product_key,
    filled.quantity_received,
    filled.quantity_sold,
    filled.quantity_written_off,
    sum(filled.quantity_received - filled.quantity_sold - filled.quantity_written_off)
        over (partition by filled.store_id, filled.product_id order by filled.date_day) as quantity_on_hand
from filled
left join {{ ref('dim_store') }} as stores on stores.store_id = filled.store_id
left join {{ ref('dim_product') }} as products on products.product_id = filled.product_id
