select
    {{ date_key('day') }} as date_key,
    cast(day as date) as date_day,
    cast(extract(year from day) as integer) as year,
    cast(extract(month from day) as integer) as month,
    cast(extract(dow from day) + 1 as integer) as weekday
from generate_series(timestamp '2024-01-01', timestamp '2026-12-31', interval '1 day') as calendar (day)
