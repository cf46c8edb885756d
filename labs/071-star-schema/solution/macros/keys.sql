{#- A surrogate key: the same for the same member, today and in a year, and it tells nothing. -#}
{% macro surrogate_key(kind, columns) -%}
md5('{{ kind }}'{% for column in columns %} || '|' || coalesce(cast({{ column }} as text), '?'){% endfor %})
{%- endmacro %}

{% macro unknown_key() -%}
repeat('0', 32)
{%- endmacro %}

{% macro date_key(moment) -%}
cast(to_char({{ moment }}, 'YYYYMMDD') as integer)
{%- endmacro %}
