-- Type 2 for city and segment, type 1 for the name; built anew from the log each time, so that a late change finds its place.
with seen as (

    select
        *,
        lag(operation) over history as operation_before,
        lag(city) over history as city_before,
        lag(segment) over history as segment_before
    from {{ source('raw', 'customer_changes') }}
    window history as (partition by customer_id order by changed_at, recorded_at)

),

-- Rows at which something ends or begins. `is distinct from` also compares what is empty.
turns as (

    select
        *,
        lead(changed_at) over (partition by customer_id order by changed_at, recorded_at) as next_at
    from seen
    where
        operation is distinct from operation_before and 'delete' in (operation, operation_before)
        or operation_before is null
        or operation <> 'delete' and (city, segment) is distinct from (city_before, segment_before)

),

names as (

    select distinct on (customer_id) customer_id, name
    from {{ source('raw', 'customer_changes') }}
    where operation <> 'delete'
    order by customer_id, changed_at desc

)

select
    turns.customer_id * 1e16 + extract(epoch from turns.changed_at) * 1e6 as customer_key,
    turns.customer_id,
    names.name as customer_name,
    turns.city,
    turns.segment,
    turns.changed_at as valid_from,
    turns.next_at as valid_to,
    turns.next_at is null as is_current
from turns
inner join names on names.customer_id = turns.customer_id
where turns.operation <> 'delete'

union all

select -1.0, -1, 'unknown', 'unknown', 'unknown', '-infinity', null, true
