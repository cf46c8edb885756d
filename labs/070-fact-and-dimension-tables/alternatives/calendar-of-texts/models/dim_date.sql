select
    to_char(day, 'YYYYMMDD')::integer as date_key,
    day::date as date_day,
    to_char(day, 'YYYY') as year,
    to_char(day, 'Q') as quarter,
    to_char(day, 'MM') as month,
    to_char(day, 'ID') as weekday,
    to_char(day, 'ID') in ('6', '7') as is_weekend
from generate_series(date '2024-01-01', date '2025-12-31', interval '1 day') as day
