{% test true_for_all(model, condition) %}
select * from {{ model }} where ({{ condition }}) is not true
{% endtest %}
