select
    {{ version_key('versions.product_id', 'versions.valid_from') }} as product_key,
    versions.product_id,
    versions.version,
    products.sku,
    products.product_name,
    versions.department,
    versions.category,
    versions.list_price_euro,
    products.department as current_department,
    products.category as current_category,
    products.weight_g,
    products.launched_on,
    versions.valid_from,
    versions.valid_to,
    versions.is_current
from {{ ref('int_product_versions') }} as versions
left join {{ ref('stg_products') }} as products on products.product_id = versions.product_id

union all

select
    {{ unknown_key() }}, cast(null as bigint), 1, null, 'unknown', 'unknown', 'unknown', cast(null as numeric(14, 2)), 'unknown', 'unknown',
    cast(null as integer), cast(null as date), cast('1970-01-01 00:00:00+00' as timestamptz), cast(null as timestamptz), true
