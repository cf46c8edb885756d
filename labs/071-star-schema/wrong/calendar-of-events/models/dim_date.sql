select
    {{ date_key('day') }} as date_key,
    cast(day as date) as date_day,
    cast(extract(year from day) as integer) as year,
    cast(extract(month from day) as integer) as month,
    cast(extract(isodow from day) as integer) as weekday
from (
    select date_trunc('day', ordered_at) as day from {{ source('raw', 'orders') }}
    union
    select date_trunc('day', returned_at) from {{ source('raw', 'returns') }}
) as calendar
