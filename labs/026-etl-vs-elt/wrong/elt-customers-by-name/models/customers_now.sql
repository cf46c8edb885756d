-- One row a customer, though each delivery lists them all; the line without a number is nobody.
select distinct customer_id, name, country
from {{ source('raw', 'customers') }}
where customer_id <> ''
