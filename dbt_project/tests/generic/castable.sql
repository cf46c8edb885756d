{% test castable(model, column_name, to) %}

select {{ column_name }}
from {{ model }}
where {{ trimmed(column_name) }} is not null
    and {{ to_integer(column_name) if to == 'integer' else to_day(column_name) }} is null

{% endtest %}
