{{ config(materialized='incremental') }}

with members as (

    select distinct
        {{ surrogate_key('customer', ['system', 'customer_id']) }} as customer_key,
        system,
        customer_id,
        name as customer_name,
        segment,
        country,
        city
    from {{ source('raw', 'customers') }}

    union all

    select {{ unknown_key() }}, 'unknown', null, 'unknown', 'unknown', 'unknown', 'unknown'

)

select * from members
{% if is_incremental() %}
where customer_key not in (select customer_key from {{ this }})
{% endif %}
