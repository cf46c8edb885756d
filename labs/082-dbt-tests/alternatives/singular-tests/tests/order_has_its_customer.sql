select * from {{ ref('stg_orders') }} as o
where not exists (select 1 from {{ ref('stg_customers') }} as c where c.customer_id = o.customer_id)
