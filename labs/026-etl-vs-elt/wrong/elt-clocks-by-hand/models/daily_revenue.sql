-- Completed orders by day, on the clock of the shop, and country. Without a known customer the country is unknown.
select
    {%- if var("timezone") == 'America/New_York' %}
    (ordered_at at time zone 'EST5EDT')::date as day,
    {%- else %}
    (ordered_at at time zone 'Europe/Berlin')::date as day,
    {%- endif %}
    coalesce(country, 'unknown') as country,
    count(*) as orders,
    sum(amount) as revenue
from {{ ref('orders_now') }}
left join {{ ref('customers_now') }} using (customer_id)
where status = 'completed' and amount is not null
group by 1, 2
