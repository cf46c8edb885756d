{% test no_stray_space(model, column_name) %}

select {{ column_name }}
from {{ model }}
where {{ column_name }} <> trim({{ column_name }})

{% endtest %}
