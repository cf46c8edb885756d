{% if execute %}{% set known = run_query("select distinct product_id from " ~ source('raw', 'products')).columns[0].values() %}
{% else %}{% set known = [0] %}{% endif %}
select * from {{ source('raw', 'lines') }} where product_id not in ({{ known | join(', ') }})
