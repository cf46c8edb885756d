select order_id from {{ ref('stg_orders') }} where promotion_id not in (select promotion_id from {{ ref('stg_promotions') }})
