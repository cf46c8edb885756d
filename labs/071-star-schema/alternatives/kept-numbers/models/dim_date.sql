select
    to_char(day, 'YYYYMMDD') as date_key,
    day::date as date_day,
    extract(year from day) as year,
    extract(month from day) as month,
    to_char(day, 'TMMonth') as month_name,
    extract(isodow from day) as weekday
from generate_series('2024-01-01'::timestamp, '2026-12-31', '1 day') as day
