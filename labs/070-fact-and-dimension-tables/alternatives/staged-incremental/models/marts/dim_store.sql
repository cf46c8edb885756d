{{ config(materialized='incremental') }}

select
    {% if is_incremental() %}(select max(store_key) from {{ this }}) + {% endif %}row_number() over (order by store_id) as store_key,
    store_id, name as store_name, channel, country, city
from {{ source('raw', 'stores') }}
{% if is_incremental() %}
where store_id not in (select store_id from {{ this }})
{% endif %}
