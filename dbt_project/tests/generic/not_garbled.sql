{% test not_garbled(model, column_name) %}

select {{ column_name }}
from {{ model }}
where {{ is_garbled(column_name) }}

{% endtest %}
