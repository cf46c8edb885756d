{% test has_unknown_member(model, column_name, value=none) %}

select 1 as missing
where not exists (
    select 1 from {{ model }}
    where {{ column_name }} = {{ unknown_key() if value is none else value }}
)

{% endtest %}
