{{ config(materialized='incremental', unique_key=['system', 'customer_id']) }}

with members as (

    select system, customer_id, min(name) as customer_name, min(segment) as segment, min(country) as country, min(city) as city
    from {{ source('raw', 'customers') }}
    group by system, customer_id

)
{% if is_incremental() %}
select
    coalesce(kept.customer_key, (select max(customer_key) from {{ this }}) + row_number() over (order by kept.customer_key nulls first, members.system, members.customer_id)) as customer_key,
    members.*
from members
left join {{ this }} as kept on kept.system = members.system and kept.customer_id = members.customer_id
{% else %}
select row_number() over (order by system, customer_id) as customer_key, members.* from members
union all
select 0, null, null, 'unknown', 'unknown', 'unknown', 'unknown'
{% endif %}
