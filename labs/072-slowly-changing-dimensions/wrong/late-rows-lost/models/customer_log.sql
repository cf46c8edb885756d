-- Reads only what is new.
{{ config(materialized='incremental') }}

select *
from {{ source('raw', 'customer_changes') }}
{% if is_incremental() -%}
where changed_at > (select max(changed_at) from {{ this }})
{%- endif %}
