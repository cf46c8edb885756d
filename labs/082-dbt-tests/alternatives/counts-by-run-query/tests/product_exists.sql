-- Rule 8: a row for each line that is counted while dbt compiles.
{{ config(warn_if = '> 0', error_if = '> 5') }}
{% set lines, products = ref('stg_order_lines'), ref('stg_products') %}
{% set unknown = "select 1 from " ~ lines ~ " left join " ~ products ~ " as p using (product_id) where p.product_id is null" %}
select line from generate_series(1, {{ how_many(unknown) }}) as line
