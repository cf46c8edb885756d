-- Who holds an account, and which part of it is theirs; the parts of an account add up to 1.
-- If the areas are refused, yesterday's holders stay as well: depends_on: {{ ref('stg_areas') }}
with holders as (

    select distinct account_id, customer_id, share
    from {{ source('raw', 'account_holders') }}

)

select
    accounts.account_id,
    coalesce(holders.customer_id, -1) as customer_id,
    coalesce(
        holders.share / sum(holders.share) over (partition by accounts.account_id),
        1.0 / count(*) over (partition by accounts.account_id)
    )::real as weight
from {{ source('raw', 'accounts') }} as accounts
left join holders on holders.account_id = accounts.account_id
