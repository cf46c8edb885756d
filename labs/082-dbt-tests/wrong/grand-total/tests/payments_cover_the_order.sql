with completed as (select order_id from {{ ref('stg_orders') }} where status = 'completed'),
bought as (select sum(amount) as amount from {{ ref('stg_order_lines') }} where order_id in (select order_id from completed)),
paid as (
  select sum(amount) as amount from {{ ref('stg_payments') }}
  where status = 'captured' and order_id in (select order_id from completed)
)
select bought.amount as bought, paid.amount as paid from bought cross join paid where bought.amount <> paid.amount
