with holders as (

    select account_id, customer_id, max(coalesce(share, 1)) as share
    from {{ source('raw', 'account_holders') }}
    group by account_id, customer_id

),

totals as (

    select account_id, sum(share) as share
    from holders
    group by account_id

)

select account_id, customer_id, cast(holders.share as double precision) / cast(totals.share as double precision) as weight
from holders
inner join totals using (account_id)

union all

select account_id, -1, 1
from {{ source('raw', 'accounts') }}
where account_id not in (select account_id from holders)
