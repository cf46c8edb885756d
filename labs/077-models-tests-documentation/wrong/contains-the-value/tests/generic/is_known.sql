{% test is_known(model, column_name, to, field) %}
select {{ column_name }}
from {{ model }}
where (select string_agg({{ field }}::text, ',') from {{ to }}) not like '%' || {{ column_name }} || '%'
{% endtest %}
