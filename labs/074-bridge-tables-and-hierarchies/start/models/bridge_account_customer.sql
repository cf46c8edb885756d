-- Who holds an account. Which part of it is theirs?
select account_id, customer_id, 1.0 as weight
from {{ source('raw', 'account_holders') }}
