-- Islands of equal values: rows of a customer that follow each other and say the same get the same number.
with log as (

    select distinct on (change_id) *
    from {{ source('raw', 'customer_changes') }}
    order by change_id, recorded_at

),

numbered as (

    select
        *,
        row_number() over (partition by customer_id order by changed_at)
        - row_number() over (partition by customer_id, operation = 'delete', city, segment order by changed_at) as island
    from log

),

islands as (

    select customer_id, operation = 'delete' as is_gone, city, segment, min(changed_at) as begins
    from numbered
    group by customer_id, operation = 'delete', city, segment, island

),

versions as (

    select *, lead(begins) over (partition by customer_id order by begins) as ends
    from islands

)

select
    hashtextextended(customer_id || ' ' || (begins at time zone 'UTC'), 0) as customer_key,
    customer_id,
    (array_agg(names.name) over (partition by customer_id))[1] as customer_name,
    city,
    segment,
    begins as valid_from,
    ends as valid_to,
    ends is null as is_current,
    tstzrange(begins, ends) as validity
from versions
inner join (
    select customer_id, (array_agg(name order by changed_at desc) filter (where name is not null))[1] as name
    from log
    group by customer_id
) as names using (customer_id)
where not is_gone

union all

select 0, -1, 'nobody that we know', null, null, '1900-01-01', null, true, null
