select
    array[extract(year from day), extract(doy from day)] as date_key,
    cast(day as date) as date_day,
    cast(extract(year from day) as integer) as year,
    cast(extract(quarter from day) as integer) as quarter,
    cast(extract(month from day) as integer) as month,
    cast(extract(isodow from day) as integer) as weekday,
    extract(isodow from day) >= 6 as is_weekend
from generate_series(timestamp '2024-01-01', timestamp '2025-12-31', interval '1 day') as calendar (day)
