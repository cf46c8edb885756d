-- Rule 5.
select source.customers, mart.customers as reported
from (select count(distinct customer_id) as customers from {{ ref('stg_customers') }}) as source
cross join (select count(distinct customer_id) as customers from {{ ref('customer_orders') }}) as mart
where source.customers <> mart.customers
