select
    cast(to_char(day, 'YYYYMMDD') as integer) as date_key,
    cast(day as date) as date_day,
    cast(extract(year from day) as integer) as year,
    cast(extract(quarter from day) as integer) as quarter,
    cast(extract(month from day) as integer) as month,
    cast(extract(isodow from day) as integer) as weekday,
    extract(isodow from day) >= 6 as is_weekend
from (
    select date_trunc('day', ordered_at) as day from {{ source('raw', 'orders') }}
    union
    select date_trunc('day', moved_at) from {{ source('raw', 'stock_movements') }}
) as calendar
