with versions as (
    select *, row_number() over (partition by order_id order by updated_at::timestamptz desc) as version
    from {{ source('raw', 'orders') }}
),

people as (
    select customer_id, min(country) as country
    from {{ source('raw', 'customers') }}
    where length(customer_id) > 0
    group by customer_id
)

select
    cast(cast(ordered_at as timestamptz) at time zone '{{ var("timezone") }}' as date) as day,
    case when people.customer_id is null then 'unknown' else country end as country,
    count(order_id)::int as orders,
    sum(cast(amount as numeric)) as revenue
from versions
left join people on people.customer_id = versions.customer_id
where version = 1 and status = 'completed' and amount ~ '^-?[0-9]+([.][0-9]+)?$'
group by 1, 2
