with days as (

    {{ calendar() }}

),

currencies as (

    select distinct currency from {{ ref('stg_exchange_rates') }}

),

-- Every day since a rate, up to the next one, has the same number of rates behind it.
counted as (

    select
        days.date_day as rate_on,
        currencies.currency,
        rates.per_euro,
        count(rates.per_euro) over (partition by currencies.currency order by days.date_day) as rates_so_far
    from days
    cross join currencies
    left join {{ ref('stg_exchange_rates') }} as rates
        on rates.rate_on = days.date_day
        and rates.currency = currencies.currency

)

select
    rate_on,
    currency,
    cast(max(per_euro) over (partition by currency, rates_so_far) as numeric(12, 6)) as per_euro,
    per_euro is null as is_carried_forward
from counted
where rates_so_far > 0
