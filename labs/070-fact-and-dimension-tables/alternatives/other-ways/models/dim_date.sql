with recursive days (day) as (

    select date '2024-01-01'
    union all
    select day + 1 from days where day < date '2025-12-31'

)

select
    day as date_key,
    day as date_day,
    extract(year from day) as year,
    ceil(extract(month from day) / 3) as quarter,
    extract(month from day) as month,
    (extract(dow from day) + 6)::int % 7 + 1 as weekday,
    extract(dow from day) in (0, 6) as is_weekend
from days

union all

select date '1900-01-01', null, null, null, null, null, null
