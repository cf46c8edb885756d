with changes as (

    select
        *,
        lag({{ surrogate_key(['city', 'postal_code', 'segment']) }}) over history as before,
        {{ surrogate_key(['city', 'postal_code', 'segment']) }} as now
    from {{ ref('stg_customer_changes') }}
    window history as (partition by customer_id order by changed_at, change_id)

),

-- A row of the log that changes nothing opens no version.
versions as (

    select * from changes
    where before is null or before <> now

)

select
    customer_id,
    cast(row_number() over history as integer) as version,
    city,
    postal_code,
    segment,
    changed_at as valid_from,
    lead(changed_at) over history as valid_to,
    lead(changed_at) over history is null as is_current
from versions
window history as (partition by customer_id order by changed_at, change_id)
