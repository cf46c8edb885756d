{% test sums_agree(model) %}
select order_id, sum(amount) as difference
from (
  select order_id, amount from {{ ref('stg_order_lines') }}
  union all
  select order_id, -amount from {{ ref('stg_payments') }} where status = 'captured'
) as both_sides
where order_id in (select order_id from {{ model }} where status = 'completed')
group by order_id
having sum(amount) <> 0
{% endtest %}
