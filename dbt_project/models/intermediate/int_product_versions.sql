with changes as (

    select
        *,
        lag({{ surrogate_key(['department', 'category', 'list_price_euro']) }}) over history as before,
        {{ surrogate_key(['department', 'category', 'list_price_euro']) }} as now
    from {{ ref('stg_product_changes') }}
    window history as (partition by product_id order by changed_at, change_id)

),

versions as (

    select * from changes
    where before is null or before <> now

)

select
    product_id,
    cast(row_number() over history as integer) as version,
    department,
    category,
    list_price_euro,
    changed_at as valid_from,
    lead(changed_at) over history as valid_to,
    lead(changed_at) over history is null as is_current
from versions
window history as (partition by product_id order by changed_at, change_id)
