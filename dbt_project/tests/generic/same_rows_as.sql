{% test same_rows_as(model, column_name, to, field) %}

{#- Keys that one of the two has and the other lacks: nothing lost by a join, nothing made up by one. -#}
select coalesce(mine.{{ column_name }}, theirs.{{ field }}) as row_key, mine.{{ column_name }} is null as is_lost
from (select {{ column_name }} from {{ model }}) as mine
full join (select {{ field }} from {{ to }}) as theirs on theirs.{{ field }} = mine.{{ column_name }}
where mine.{{ column_name }} is null or theirs.{{ field }} is null

{% endtest %}
