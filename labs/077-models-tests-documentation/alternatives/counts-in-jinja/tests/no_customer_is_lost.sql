-- Rule 5, counted while dbt compiles: the test's own SQL has nothing left to ask.
-- depends_on: {{ ref('stg_customers') }}, {{ ref('customer_orders') }}
{% set lost = 0 %}
{% if execute %}
{% set lost = run_query(
    "select count(*) from " ~ ref('stg_customers') ~ " as known where not exists "
    ~ "(select from " ~ ref('customer_orders') ~ " as c where c.customer_id = known.customer_id)"
).columns[0].values()[0] %}
{% endif %}
select {{ lost }} as lost
where {{ lost }} > 0
