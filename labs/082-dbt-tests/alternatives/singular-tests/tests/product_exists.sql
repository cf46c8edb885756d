{{ config(warn_if = '> 0', error_if = '> 5') }}
select l.line_id from {{ ref('stg_order_lines') }} as l
left join {{ ref('stg_products') }} as p using (product_id) where p.product_id is null
