-- A singular test: the rows that it finds are the failures. This one finds none; replace it by your own.
select order_id from {{ ref('stg_orders') }} where order_id < 0
