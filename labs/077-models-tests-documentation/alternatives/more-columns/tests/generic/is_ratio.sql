{% test is_ratio(model, column_name, above, below) %}
select {{ column_name }}, {{ above }}, {{ below }}
from {{ model }}
where {{ column_name }} <> {{ above }} / {{ below }}
{% endtest %}
