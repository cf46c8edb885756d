select
    {{ version_key('versions.customer_id', 'versions.valid_from') }} as customer_key,
    versions.customer_id,
    versions.version,
    customers.customer_name,
    customers.country_code,
    versions.city,
    versions.postal_code,
    versions.segment,
    versions.valid_from,
    versions.valid_to,
    versions.is_current
from {{ ref('int_customer_versions') }} as versions
left join {{ ref('stg_customers') }} as customers on customers.customer_id = versions.customer_id

union all

select
    {{ unknown_key() }}, cast(null as bigint), 1, 'unknown', null, 'unknown', null, 'unknown',
    cast('1970-01-01 00:00:00+00' as timestamptz), cast(null as timestamptz), true
