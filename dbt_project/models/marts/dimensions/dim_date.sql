with days as (

    {{ calendar() }}

)

select
    {{ date_key('date_day') }} as date_key,
    date_day,
    cast(date_trunc('month', date_day) as date) as month_start,
    cast(date_trunc('quarter', date_day) as date) as quarter_start,
    cast(extract(year from date_day) as integer) as year_number,
    cast(extract(quarter from date_day) as integer) as quarter_number,
    cast(extract(month from date_day) as integer) as month_number,
    cast(extract(isoyear from date_day) as integer) as iso_year,
    cast(extract(week from date_day) as integer) as iso_week,
    cast(extract(isodow from date_day) as integer) as weekday_number,
    extract(isodow from date_day) >= 6 as is_weekend
from days

union all

select
    {{ unknown_date_key() }}, cast(null as date), cast(null as date), cast(null as date), cast(null as integer), cast(null as integer),
    cast(null as integer), cast(null as integer), cast(null as integer), cast(null as integer), cast(null as boolean)
