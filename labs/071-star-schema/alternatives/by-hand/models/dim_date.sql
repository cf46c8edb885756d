with recursive days as (

    select date '2023-01-01' as day
    union all
    select day + 1 from days where day < date '2027-12-31'

)

select
    day as date_key,
    day as date_day,
    cast(date_part('year', day) as int) as year,
    cast(date_part('month', day) as int) as month,
    case when extract(dow from day) = 0 then 7 else extract(dow from day) end as weekday
from days

union all

select date '9999-12-31', null, null, null, null
