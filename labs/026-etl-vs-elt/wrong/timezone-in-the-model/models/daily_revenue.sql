-- Completed orders by day, on the clock of the shop, and country. Without a known customer the country is unknown.
select
    (ordered_at at time zone '{{ var("timezone", "Europe/Berlin") }}')::date as day,
    coalesce(country, 'unknown') as country,
    count(*) as orders,
    sum(amount) as revenue
from {{ ref('orders_now') }}
left join {{ ref('customers_now') }} using (customer_id)
where status = 'completed' and amount is not null
group by 1, 2
