-- Only customers with new rows in the log are computed again, each of them wholly: old versions go, all of them come anew.
{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='customer_id') }}

with log as (

    select *
    from {{ source('raw', 'customer_changes') }}
    {% if is_incremental() -%}
    where customer_id in (
        select customer_id from {{ source('raw', 'customer_changes') }}
        where recorded_at >= (select max(loaded_until) from {{ this }})
    )
    {%- endif %}

),

seen as (

    select
        *,
        lag(operation) over history as operation_before,
        lag(city) over history as city_before,
        lag(segment) over history as segment_before
    from log
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
    from log
    where operation <> 'delete'
    order by customer_id, changed_at desc

)

select
    md5(turns.customer_id || '|' || extract(epoch from turns.changed_at)) as customer_key,
    turns.customer_id,
    names.name as customer_name,
    turns.city,
    turns.segment,
    turns.changed_at as valid_from,
    turns.next_at as valid_to,
    turns.next_at is null as is_current,
    (select max(recorded_at) from {{ source('raw', 'customer_changes') }}) as loaded_until
from turns
inner join names on names.customer_id = turns.customer_id
where turns.operation <> 'delete'

union all

select md5('unknown'), -1, 'unknown', 'unknown', 'unknown', '-infinity', null, true, null
