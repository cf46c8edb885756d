select
    {{ surrogate_key(['promotion_id']) }} as promotion_key,
    promotion_id,
    promotion_name,
    coalesce(department, 'all') as department,
    percent_off,
    starts_on,
    ends_on
from {{ ref('stg_promotions') }}

union all

select {{ unknown_key() }}, cast(null as bigint), 'unknown', 'unknown', cast(null as integer), cast(null as date), cast(null as date)

union all

select {{ not_applicable_key() }}, cast(null as bigint), 'no promotion', 'none', 0, cast(null as date), cast(null as date)
