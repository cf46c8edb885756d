select * from {{ ref('stg_orders') }} where status is null or status not in ('completed', 'cancelled')
