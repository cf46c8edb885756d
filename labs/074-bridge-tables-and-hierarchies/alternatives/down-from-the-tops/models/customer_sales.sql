{{ config(materialized='view') }}

with of_account as (

    select account_id, sum(amount) as amount
    from {{ source('raw', 'sales') }}
    group by account_id

),

amounts as (

    select bridge.customer_id, coalesce(of_account.amount, 0) * bridge.weight as weighted, coalesce(of_account.amount, 0) as amount
    from {{ ref('bridge_account_customer') }} as bridge
    left join of_account using (account_id)

    union all

    select -1, amount, amount
    from of_account
    where account_id is null

    union all

    select -1, 0, 0

)

select customer_id, sum(weighted) as amount_weighted, sum(amount) as amount_full
from amounts
group by customer_id
