{% test is_key(model, columns) %}
select {{ columns | join(', ') }} from {{ model }} group by {{ columns | join(', ') }} having count(*) > 1
union all
select {{ columns | join(', ') }} from {{ model }} where {{ columns | join(' is null or ') }} is null
{% endtest %}
