-- A first try: it takes each line for an order, and the clock of the server for that of the shop.
select
    ordered_at::date as day,
    country,
    count(*) as orders,
    sum(amount::float) as revenue
from {{ source('raw', 'orders') }}
inner join {{ source('raw', 'customers') }} using (customer_id)
where status = 'completed'
group by 1, 2
