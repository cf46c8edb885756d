{{ config(store_failures = true) }}
select l.* from {{ ref('stg_order_lines') }} as l
where not exists (select 1 from {{ ref('stg_orders') }} as o where o.order_id = l.order_id)
