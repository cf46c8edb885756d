with bought as (
    select ordered_on as day, currency, sum(amount) as revenue from {{ ref('int_sales') }} group by 1, 2
),
sales as (select day, currency, revenue from {{ ref('daily_sales') }})
(select * from bought except select * from sales)
union all
(select * from sales except select * from bought)
