-- One row a customer, though each delivery lists them all; the line without a number is nobody.
select distinct on (customer_id) customer_id, country
from {{ source('raw', 'customers') }}
where customer_id <> ''
order by customer_id, _delivery desc
