select promotion_id, name as promotion_name, percent, starts_on, ends_on from {{ source('raw', 'promotions') }}
