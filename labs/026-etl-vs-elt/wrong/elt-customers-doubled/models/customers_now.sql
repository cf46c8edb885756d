select customer_id, country
from {{ source('raw', 'customers') }}
where customer_id <> ''
