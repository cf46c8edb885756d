select customer_id
from {{ ref('stg_customers') }} as c
where not exists (select 1 from {{ ref('customer_orders') }} as m where m.customer_id = c.customer_id)
