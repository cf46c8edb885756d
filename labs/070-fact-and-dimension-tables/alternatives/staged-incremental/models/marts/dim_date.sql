select
    day::date - date '2000-01-01' as date_key,
    day::date as date_day,
    date_part('year', day)::smallint as year,
    date_part('quarter', day)::smallint as quarter,
    date_part('month', day)::smallint as month,
    to_char(day, 'ID')::smallint as weekday,
    to_char(day, 'ID') in ('6', '7') as is_weekend,
    to_char(day, 'IYYY-"W"IW') as iso_week
from generate_series(timestamp '2020-01-01', '2029-12-31', '1 day') as day
